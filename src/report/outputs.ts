import type { ReleaseRef, Report } from './report.ts'

/** The outputs that action.yml declares, in its order. */
export const outputNames = [
  'result',
  'release',
  'previous-release',
  'revision',
  'previous-revision',
  'changed',
  'url',
  'host-key',
  'duration-ms',
  'report',
] as const
export type OutputName = (typeof outputNames)[number]

/** Every declared output, empty where nothing is known: an expression in a workflow never meets a missing one. */
export function outputsOf(report: Report, reportPath: string): Record<OutputName, string> {
  const now = serving(report)
  return {
    result: report.result,
    release: now?.id ?? '',
    'previous-release': report.before?.id ?? '',
    revision: now?.revision ?? '',
    'previous-revision': report.before?.revision ?? '',
    changed: String(report.changed),
    url: report.url,
    'host-key': report.hostKey,
    'duration-ms': String(Math.round(report.durationMs)),
    report: reportPath,
  }
}

/** What serves now that the run is over, which is not always what it was about. */
function serving({ result, before, after, changed }: Report): ReleaseRef | undefined {
  if (result === 'rollback-failed' || result === 'unknown') return undefined
  if (result === 'rolled-back' || result === 'planned' || (result === 'failed' && !changed)) return before
  return after ?? before
}
