import { DeployError } from '../errors.ts'
import type { Guard, Verdict } from '../guard/guard.ts'
import type { Phase } from '../guard/transaction.ts'
import type { Facts } from '../remote/facts.ts'
import type { Answer, Host } from '../remote/host.ts'
import type { HostState } from '../remote/state.ts'
import { transferFailed } from '../sync/compare.ts'
import type { Staged } from '../sync/index.ts'
import type { Context } from './context.ts'
import type { Goal } from './goal.ts'
import { ledgerLine } from './ledger-line.ts'
import { type Change, head, unchanged } from './scripts.ts'

/** How long a command of the user may take; the job's own limit ends it earlier where that is lower. */
const commandTimeoutMs = 3 * 3_600_000

export function compile(context: Context, goal: Goal, facts: Facts, state: HostState): Change {
  const { plan } = context
  return {
    places: {
      state: facts.state,
      path: goal.path,
      release: `${facts.state}/releases/${goal.id}`,
      previous: state.current === '' ? '' : `${facts.state}/releases/${state.current}`,
    },
    filters: goal.filters,
    strategy: goal.strategy.compile({ scripts: plan.scripts }, facts),
    ...{ id: goal.id, previousId: state.current, revision: goal.revision, name: plan.name, tree: goal.tree },
  }
}

/** A script of ours that must work. */
export async function must(host: Host, text: string, label: string): Promise<Answer> {
  const answer = await host.run(text, { label, timeoutMs: 900_000 })
  if (answer.code !== 0) throw transferFailed(host, `${label} failed on ${host.name}.`, answer.tail)
  return answer
}

/** A command of the user that is not part of the change: `before` and `after`. */
export async function command(
  context: Context,
  host: Host,
  change: Change,
  input: 'before' | 'after',
  begin = '',
): Promise<void> {
  if (context.plan.scripts[input] === undefined) return
  await context.step(capital(input), async () => {
    const script = `${begin}${head(change)}\nhd_user ${input} "$release"`
    const { code, tail } = await host.run(script, { label: `\`${input}\``, timeoutMs: commandTimeoutMs })
    if (code !== 0) throw failed(host, input, code, tail)
  })
}

/** A phase of the change: the guard runs it, and here its output is shown. The first one comes with what arms it. */
export async function phase(context: Context, guard: Guard, name: Phase, title: string, arm = ''): Promise<void> {
  await context.step(title, async () => {
    const { code, verdict, output, expired, armed } = await guard.phase(name, arm)
    if (!armed) throw transferFailed(guard.host, `The change could not be prepared on ${guard.host.name}.`, output)
    if (code === 0 && verdict === undefined && !expired) return
    throw code === undefined || code === 0 || expired
      ? ended(guard.host, verdict, output)
      : failed(guard.host, name, code, output)
  })
}

/**
 * The vote for the new version, over a connection that begins now: one that is open already may live on while no new
 * one gets through, because the deploy cut the network, the firewall or sshd itself.
 */
export async function confirm(context: Context, guard: Guard, fresh: Promise<Host>): Promise<void> {
  await context.step('Confirm', async ({ note }) => {
    const vote = await guard.decide('confirmed', { over: await fresh })
    const verdict = vote === undefined || vote === 'none' ? await guard.verdict() : vote
    if (verdict.end !== 'confirmed') throw ended(guard.host, verdict)
    context.remember('pending', '')
    note('over a fresh connection')
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

/** Whether what runs is this very release, with nothing edited since; then nothing is restarted. */
export async function isUnchanged(
  context: Context,
  host: Host,
  change: Change,
  goal: Goal,
  state: HostState,
  staged: Staged,
): Promise<boolean> {
  const running = state.releases.find(({ id }) => id === state.current)
  const { added, changed, removed, folders } = staged.counts
  if (context.plan.safety.force || goal.record === undefined || added + changed + removed + folders > 0) return false
  if (running?.fingerprint !== goal.record.fingerprint || running.revision !== goal.revision) return false
  const { code } = await host.run(unchanged(change, ledgerLine(context, change)('unchanged')), {
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
