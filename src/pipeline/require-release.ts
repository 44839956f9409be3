import { DeployError } from '../errors.ts'
import { SshHost } from '../remote/ssh-host.ts'
import { readState } from '../remote/state.ts'
import { assign } from '../shell.ts'
import { Colmena } from './colmena.ts'
import type { Context } from './context.ts'
import { each } from './fleet.ts'
import { bringsNew, type Plan } from './plan.ts'
import { learn } from './reach.ts'

/** Refuses what was not healthy before where it has to be: this very commit, as the ledger there says. Changes nothing there. */
export async function requireRelease(context: Context): Promise<void> {
  const { requires, mode } = context.plan
  if (requires === undefined || !bringsNew(mode)) return
  const { label, plan } = requires
  await context.step(`Ask ${label} for this commit`, async (row) => {
    const targets =
      plan.hive === undefined ? plan.targets : await new Colmena({ ...context, plan }, plan.hive).evaluate(row, false)
    const releases = await each(targets, (target) => ask(context, { ...plan, targets: [target] }, label))
    row.note(`${context.plan.sync.commit.slice(0, 12)} is healthy there: ${releases.join(', ')}`)
  })
}

async function ask(context: Context, plan: Plan, label: string): Promise<string> {
  const { log, signal, network } = context
  const [target] = plan.targets
  if (target === undefined) throw new TypeError(`${label} has no host`)
  await using host = await SshHost.connect(target, { log, signal, network, hosted: plan.run.hosted })
  const facts = await learn(host, plan)
  const { current, pending, releases } = await readState(host, facts.state)
  const running = releases.find(({ id }) => id === current)
  const commit = context.plan.sync.commit
  const refuse = (why: string) =>
    new DeployError('HD-PROMOTE-01', `This commit is not healthy on ${label} (${host.name}).`, {
      why,
      fix: `Deploy ${commit.slice(0, 12) || 'a commit'} to ${label} first, and then here: with \`needs\` between the jobs, or \`max-parallel: 1\`.`,
    })
  if (pending !== '') throw refuse(`The deploy ${pending} is open there, and nobody knows yet how it ends.`)
  if (running === undefined) throw refuse(`${plan.name} was never deployed there.`)
  if (commit === '' || running.revision !== commit)
    throw refuse(`It runs ${running.revision.slice(0, 12) || 'what has no commit'} there (release ${current}).`)
  const { text } = await host.run(`${assign({ ledger: `${facts.state}/ledger.jsonl` })}tail -n 1 "$ledger" >&3 || :`, {
    label: 'Reading the ledger',
    quiet: true,
  })
  if (/"result":"(rollback-failed|unknown)"/.test(text))
    throw refuse('The last run there has ended without one known state, as its ledger says.')
  return `${host.name} (release ${current})`
}
