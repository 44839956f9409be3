import type { Log } from '../log.ts'
import { probe } from '../remote/facts.ts'
import { SshHost } from '../remote/ssh-host.ts'
import { parseState, stateScript } from '../remote/state.ts'
import { assign } from '../shell.ts'
import type { Plan } from './plan.ts'
import { takeBack } from './settle.ts'

/** What `post` does when main ended in the middle: the deploy it left pending is taken back. */
export async function finish(plan: Plan, pending: string, log: Log): Promise<'nothing' | 'taken back'> {
  const [target] = plan.targets
  if (target === undefined) return 'nothing'
  await using host = await SshHost.connect(target, { log, hosted: plan.run.hosted })
  const facts = await probe(host, { path: plan.sync.path || '~/', name: plan.name, versions: [] })
  const { text } = await host.run(assign({ state: facts.state }) + stateScript, {
    label: 'Reading the state',
    quiet: true,
  })
  if (parseState(text).pending !== pending) return 'nothing'
  log.info(`The deploy ${pending} was left in the middle: taking it back`)
  await takeBack(host, facts.state, pending, (result) => ({
    ...{ at: new Date().toISOString(), result, mode: 'post', strategy: plan.strategy, release: pending, previous: '' },
    ...{
      revision: plan.sync.commit,
      previousRevision: '',
      actor: plan.run.actor,
      run: plan.run.url,
      code: 'HD-CANCEL-01',
      durationMs: 0,
    },
  }))
  return 'taken back'
}
