import { type HostState, runningRelease } from '../remote/state.ts'
import type { StatusRecord } from '../report/report.ts'
import { describeStanding, pastRuns, type Seen } from './standing.ts'

/** What was found out about a host, as the report has it. */
export function statusRecord(
  { state, standing, record }: Seen,
  drift: StatusRecord['drift'],
  running: readonly string[],
): StatusRecord {
  const release = runningRelease(state)
  return {
    host: record.host,
    ...(release && {
      release: {
        id: release.id,
        revision: release.revision,
        ref: release.ref,
        actor: release.actor,
        run: release.run,
        madeAt: release.at,
        since: since(state, standing) ?? release.at,
      },
    }),
    running,
    drift,
    releases: state.releases
      .filter(({ id }) => id !== state.current)
      .map(({ id, at, revision }) => ({ id, at, revision })),
    standing: describeStanding(standing),
    past: pastRuns(standing),
  }
}

/** A release may have been gone back to long after it was made. */
function since({ current }: HostState, { ledger }: Seen['standing']): string | undefined {
  return ledger.find(({ release, result }) => result === 'deployed' && release === current)?.at
}
