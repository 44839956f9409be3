import { parseStanding, type Standing, standingScript } from '../remote/standing.ts'
import { parseState, stateScript } from '../remote/state.ts'
import type { PastRun } from '../report/report.ts'
import { assign } from '../shell.ts'
import type { Context } from './context.ts'
import type { Findings } from './findings.ts'
import type { Known, Reached } from './fleet.ts'

export interface Seen extends Known {
  readonly standing: Standing
}

/** What the state directories say, for those who take no lock. */
export async function lookAround(context: Context, members: readonly Reached[], findings: Findings): Promise<Seen[]> {
  return await findings.all(context, 'Read the state', members, async (member, note) => {
    const { text } = await member.link.host.run(assign({ state: member.facts.state }) + stateScript + standingScript, {
      label: 'Reading the state',
      quiet: true,
      timeoutMs: 60_000,
    })
    const seen = { ...member, state: parseState(text), standing: parseStanding(text) }
    for (const sentence of describeStanding(seen.standing)) context.log.warning(`${member.host.name}: ${sentence}`)
    note(seen.state.current === '' ? 'nothing was deployed here yet' : `${seen.state.current} runs`)
    return seen
  })
}

/** Who is there, in a sentence each. */
export function describeStanding({ lock, maintenance, pending }: Standing): string[] {
  const who =
    lock &&
    [lock.run || lock.actor || 'somebody who left no name', lock.since && `since ${lock.since}`]
      .filter(Boolean)
      .join(' ')
  const busy = lock !== undefined && !lock.stale
  return [
    ...(maintenance
      ? [
          `Held for maintenance${maintenance.since && ` since ${maintenance.since}`}: ${maintenance.why || 'no reason was given'}. A deploy waits until it is released.`,
        ]
      : []),
    ...(busy ? [`A run is under way and has the lock: ${who}. What is said here may be over when it ends.`] : []),
    ...(lock?.stale ? [`A lock was left behind by a run that died: ${who}. The next run takes it over.`] : []),
    ...(pending && !busy
      ? [
          `The change ${pending.id}${pending.at && `, begun ${pending.at},`} never came to its end. The next run settles it first.`,
        ]
      : []),
  ]
}

/** The last runs that brought a version, or tried to. */
export function pastRuns({ ledger }: Standing): PastRun[] {
  return ledger
    .filter(({ result }) => result !== 'unchanged')
    .slice(0, 5)
    .map(({ at, result, mode, revision, durationMs, activateMs }) => ({
      at,
      result,
      mode,
      revision,
      durationMs,
      ...(activateMs !== undefined && { activateMs }),
    }))
}
