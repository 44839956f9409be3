import { ConnectionLost, DeployError } from '../errors.ts'
import type { Facts } from '../remote/facts.ts'
import type { Answer, Host } from '../remote/host.ts'
import { SshHost } from '../remote/ssh-host.ts'
import type { HostState } from '../remote/state.ts'
import type { Result } from '../report/report.ts'
import { transferFailed } from '../sync/compare.ts'
import type { Staged } from '../sync/index.ts'
import type { Context } from './context.ts'
import type { Goal } from './goal.ts'
import { ledgerLine } from './ledger-line.ts'
import type { UserScripts } from './plan.ts'
import { type Change, head, unchanged } from './scripts.ts'
import { takeBack } from './settle.ts'

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

/** A script that holds commands of the user, as a step of its own; none when there is nothing to run. */
export async function command(
  context: Context,
  host: Host,
  change: Change,
  input: keyof UserScripts,
  body: string,
  begin = '',
): Promise<void> {
  const title = input[0]?.toUpperCase() + input.slice(1)
  await context.step(title, async () => {
    const { code, tail } = await host.run(`${begin}${head(change)}\n${body}`, {
      label: title,
      timeoutMs: commandTimeoutMs,
    })
    if (code === 0) return
    if (/no space left on device/i.test(tail)) throw transferFailed(host, `\`${input}\` failed.`, tail)
    throw new DeployError('HD-STEP-01', `\`${input}\` ended with exit code ${code} on ${host.name}.`, {
      why: tail.trim().split('\n').at(-1) ?? '',
      fix: 'Its last lines are in the log of this step and in the summary.',
      detail: tail,
    })
  })
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

/** Puts the old version back. The first error is the cause; what goes wrong here is told beside it. */
export async function undo(
  context: Context,
  host: Host,
  facts: Facts,
  change: Change,
  cause: unknown,
): Promise<Result> {
  const { plan, recorder, step, log } = context
  recorder.fail(cause)
  if (plan.safety.rollback === 'off') {
    log.warning('`rollback: off`: the new version was left as it is.')
    return 'failed'
  }
  try {
    await step('Roll back', async ({ note }) => {
      await using again = cause instanceof ConnectionLost || host.ended.aborted ? await reconnect(context) : undefined
      await takeBack(again ?? host, facts.state, change.id, ledgerLine(context, change))
      note(change.previousId === '' ? 'to what was there before' : `to ${change.previousId}`)
    })
    context.remember('pending', '')
    return 'rolled-back'
  } catch (error) {
    recorder.failRollback(error)
    return error instanceof ConnectionLost || (error instanceof DeployError && error.code.startsWith('HD-NET'))
      ? 'unknown'
      : 'rollback-failed'
  }
}

/** The connection was lost in the middle: nobody knows what happened, so a new one asks. Also after a cancel. */
async function reconnect({ plan, log }: Context): Promise<SshHost> {
  const [target] = plan.targets
  if (target === undefined) throw new TypeError('a plan without a target')
  log.info('The connection was lost: connecting again to settle it')
  return await SshHost.connect(target, { log, hosted: plan.run.hosted })
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
