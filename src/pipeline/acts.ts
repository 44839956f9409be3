import { dataFailed, saidOf } from '../data/index.ts'
import { ConnectionLost, DeployError } from '../errors.ts'
import type { Verdict } from '../guard/guard.ts'
import { harmlessPhases, openGate, type Phase } from '../guard/transaction.ts'
import type { Host } from '../remote/host.ts'
import { runningRelease } from '../remote/state.ts'
import { transferFailed } from '../sync/compare.ts'
import type { Staged } from '../sync/index.ts'
import type { Context } from './context.ts'
import { type Begun, each, onAll, type Planned, type Staging } from './fleet.ts'
import { ledgerLine } from './ledger-line.ts'
import { head, unchanged } from './scripts.ts'

/** How long a command of the user may take; the job's own limit ends it earlier where that is lower. */
const commandTimeoutMs = 3 * 3_600_000

const titles: Readonly<Record<Phase, string>> = {
  build: 'Build',
  backup: 'Back up',
  switch: 'Switch over',
  prepare: 'Prepare',
  data: 'Bring back the data',
  migrate: 'Migrate',
  apply: 'Activate',
}

/** A script of ours that must work. */
async function must(host: Host, text: string, label: string): Promise<void> {
  const answer = await host.run(text, { label, timeoutMs: 900_000 })
  if (answer.code !== 0) throw transferFailed(host, `${label} failed on ${host.name}.`, answer.tail)
}

/** A command of the user that is not part of the change: `before` and `after`. */
export async function runCommand(
  context: Context,
  members: readonly Planned[],
  input: 'before' | 'after',
): Promise<void> {
  if (context.plan.scripts[input] === undefined) return
  await onAll(context, capital(input), members, async ({ link, change, goal }) => {
    const script = `${input === 'before' ? goal.begin : ''}${head(change)}\nhd_user ${input} "$release"`
    const { code, tail } = await link.host.run(script, { label: `\`${input}\``, timeoutMs: commandTimeoutMs })
    if (code !== 0) throw failed(link.host, input, code, tail)
  })
}

/** Makes the new tree complete on the host, beside the one that serves. */
export async function stageTree(
  { plan, log }: Context,
  member: Planned,
  note: (text: string) => void,
): Promise<Planned & { readonly staged: Staged }> {
  const { host, facts, goal, change, record } = member
  const first = plan.scripts.before ? '' : goal.begin
  if (!goal.tree) await must(host, first, 'Preparing the release')
  const staged = await goal.stage(host, facts, change.places, first)
  record.changes = staged
  note(summarize(staged))
  if (staged.drifted.length > 0) {
    const names = `${staged.drifted.slice(0, 10).join(', ')}${staged.drifted.length > 10 ? ', …' : ''}`
    log.warning(
      change.previousId === ''
        ? `On ${host.name}, before the first deploy, these were not as in any release; they are replaced or removed now, and a copy is kept in ${change.places.state}/adopted: ${names}. Name in \`protect\` what has to stay.`
        : `Edited on ${host.name} since the last deploy, and replaced now (a copy is kept): ${names}`,
    )
  }
  return { ...member, staged }
}

/** What is slow and changes nothing, on all hosts at once. */
export async function prepare(context: Context, members: readonly Begun[]): Promise<void> {
  for (const name of harmlessPhases) {
    const wanted = members.filter(({ transaction }) => transaction.phases[name] !== undefined)
    if (wanted.length > 0)
      await onAll(context, titles[name], wanted, (member, note) => follow(context, member, name, note))
  }
}

/** A phase of the change on one host. */
export async function phase(context: Context, member: Begun, name: Phase): Promise<void> {
  if (member.transaction.phases[name] === undefined) return
  await context.step(titleOn(member, titles[name]), ({ note }) => follow(context, member, name, note))
}

/** One after another, each host has steps of its own. */
export function titleOn({ transaction, link }: Begun, title: string): string {
  return transaction.gated ? `${title} on ${link.host.name}` : title
}

/** The guard runs the phase, and here its output is shown. The first one comes with what begins the change. */
async function follow({ log }: Context, member: Begun, name: Phase, note: (text: string) => void): Promise<void> {
  const { guard, link, transaction } = member
  const first = transaction.gated && name === 'switch' ? `${member.arm}\n${openGate(transaction.state)}` : member.arm
  member.arm = ''
  const { code, verdict, output, expired, armed } = await guard.phase(name, first)
  const { notes, warnings } = saidOf(output)
  for (const warning of warnings) log.warning(`${link.host.name}: ${warning}`)
  if (notes.length > 0 || warnings.length > 0) note([...notes, ...warnings].join('; '))
  if (!armed) throw transferFailed(link.host, `The change could not be prepared on ${link.host.name}.`, output)
  if (code === 0 && verdict === undefined && !expired) return
  if (code === undefined || code === 0 || expired) throw ended(link.host, verdict, output)
  const full = /no space left on device/i.test(output)
  const explained = full ? undefined : member.goal.strategy.explain(name, output)
  throw explained === undefined
    ? failed(link.host, name, code, output)
    : new DeployError(explained.code, `${link.host.name}: ${explained.what}`, { ...explained, detail: output })
}

/** A healthy host among several waits for the others, for as long as this run is there. */
export async function hold(context: Context, member: Begun, fresh: Promise<Host>): Promise<void> {
  member.confirming = fresh
  if (!member.transaction.gated) return
  await stillHeld(member)
  context.log.info(`${member.link.host.name} is healthy, and waits for the others.`)
}

/** Before any of several hosts is confirmed, all of them have to be there: one may have gone back while it waited. */
export async function gather(context: Context, members: readonly Begun[]): Promise<void> {
  if (members.length > 1) await onAll(context, 'See that all are there', members, stillHeld)
}

async function stillHeld(member: Begun): Promise<void> {
  const { guard, link } = member
  const ask = async () => await guard.hold((await member.confirming) ?? link.host)
  const verdict = await ask().catch(async (error: unknown) => {
    if (!(error instanceof ConnectionLost)) throw error
    await guard.reconnect()
    member.confirming = Promise.resolve(link.host)
    return await ask()
  })
  if (verdict !== undefined) throw ended(link.host, verdict)
}

/**
 * The vote for the new version, over a connection of after the change: one that was open before may live on while no
 * new one gets through, because the deploy cut the network, the firewall or sshd itself.
 */
export async function confirm(context: Context, members: readonly Begun[]): Promise<void> {
  context.signal.throwIfAborted()
  await onAll(context, 'Confirm', members, async ({ guard, link, record, confirming }, note) => {
    const vote = await guard.decide('confirmed', { over: (await confirming) ?? link.host })
    const verdict = vote === undefined || vote === 'none' ? await guard.verdict() : vote
    if (verdict.end !== 'confirmed') throw ended(link.host, verdict)
    context.remember(record.host, '')
    record.changed = true
    const { notes, warnings } = saidOf(verdict.said ?? '')
    for (const warning of warnings) context.log.warning(`${record.host}: ${warning}`)
    note(['over a fresh connection', ...notes, ...warnings].join('; '))
  })
}

function ended(host: Host, verdict: Verdict | undefined, detail = ''): DeployError {
  return new DeployError('HD-GUARD-01', `${host.name} ended the deploy by itself.`, {
    why:
      verdict?.why === 'refused'
        ? 'Somebody else ended it.'
        : 'It was not finished and confirmed within `confirm-timeout`.',
    fix: 'If the work needs longer, raise `confirm-timeout`.',
    detail,
  })
}

function failed(host: Host, name: Phase | 'before' | 'after', code: number, output: string): DeployError {
  const ofData = dataFailed(host.name, name, code, output)
  if (ofData !== undefined) return ofData
  const input = name === 'apply' ? 'activate' : name
  if (name === 'switch' || /no space left on device/i.test(output))
    return transferFailed(host, `Switching to the new version failed on ${host.name}.`, output)
  return new DeployError('HD-STEP-01', `\`${input}\` ended with exit code ${code} on ${host.name}.`, {
    why: output.trim().split('\n').at(-1) ?? '',
    fix: 'Its last lines are in the log of this step and in the summary.',
    detail: output,
  })
}

function capital(word: string): string {
  return (word[0] ?? '').toUpperCase() + word.slice(1)
}

/**
 * Hosts that run this very release already, healthy and with nothing edited since, are left alone: nothing is
 * restarted there.
 */
export async function dropUnchanged(context: Context, members: readonly Staging[]): Promise<Staging[]> {
  const same = await each(members, (member) => isUnchanged(context, member))
  for (const { record } of members.filter((_, index) => same[index])) {
    record.after = record.before
    record.result = 'unchanged'
  }
  return members.filter((_, index) => !same[index])
}

async function isUnchanged(context: Context, member: Staging): Promise<boolean> {
  const { goal, state, staged, vitals, change, link } = member
  const running = runningRelease(state)
  const { added, changed, removed, folders } = staged.counts
  if (context.plan.safety.force || goal.record === undefined || added + changed + removed + folders > 0) return false
  if (running?.fingerprint !== goal.record.fingerprint || running.revision !== goal.revision) return false
  if (vitals.ill.size > 0) return false
  const { code } = await link.host.run(unchanged(change, ledgerLine(context, member)('unchanged')), {
    label: 'Comparing the env files',
    quiet: true,
  })
  return code === 0
}

export function summarize({ counts, bytesSent, by }: Staged): string {
  const { added, changed, removed, folders } = counts
  if (added + changed + removed + folders === 0) return 'nothing to send'
  const files = [added && `${added} added`, changed && `${changed} changed`, removed && `${removed} removed`]
    .filter(Boolean)
    .join(', ')
  const size = bytesSent < 1e6 ? `${Math.ceil(bytesSent / 1e3)} kB` : `${(bytesSent / 1e6).toFixed(1)} MB`
  return [files || `${folders} folders`, by && (by === 'git' ? 'by git' : `${size} by ${by}`)]
    .filter(Boolean)
    .join('; ')
}
