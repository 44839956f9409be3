import type { LedgerLine } from '../remote/state.ts'
import { median } from '../report/median.ts'
import type { UsualRecord } from '../report/report.ts'
import { commitsBetween, subjectOf } from '../sync/commits.ts'
import type { Context } from './context.ts'
import type { Planned } from './fleet.ts'

/** What the new version brings, for the summary. It is read beside the deploy, and only the end waits for it. */
export function readNews({ plan, recorder }: Context, [canary]: readonly Planned[], open: AsyncDisposableStack): void {
  if (plan.mode !== 'deploy' || canary === undefined) return
  const { source } = plan.sync
  const read = async () => {
    const { revision } = canary.goal
    recorder.subject = await subjectOf(source, revision)
    const found = await commitsBetween(source, canary.record.before?.revision ?? '', revision)
    if (found.commits.length > 0 || found.others !== '') recorder.commits = found
  }
  // Without git, or without a checkout, the summary has less to say.
  const reading = read().catch(() => {})
  open.defer(() => reading)
}

/** The median of what earlier runs of the same kind took. */
export function usual(past: readonly LedgerLine[], mode: string): UsualRecord | undefined {
  const took = past.filter((line) => line.mode === mode && line.durationMs > 0).map(({ durationMs }) => durationMs)
  return took.length === 0 ? undefined : { runs: took.length, durationMs: Math.round(median(took)) }
}
