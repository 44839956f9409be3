import { humanDuration } from '../clock.ts'
import { code, details, plain, table, unbroken } from './markdown.ts'
import type { PastRun } from './report.ts'

/** The last runs on a host, as its ledger has them. */
export function pastRuns(all: readonly PastRun[]): string {
  if (all.length === 0) return ''
  const rows = all.map(({ at, mode, result, revision, durationMs, activateMs }) => [
    plain(at.replace('T', ' ').replace(/(\.\d+)?Z$/, ''), 40),
    plain(`${mode === 'deploy' ? '' : `${mode}: `}${result}`, 60),
    code(revision.slice(0, 7), 20),
    unbroken(humanDuration(durationMs)),
    activateMs === undefined ? '' : unbroken(humanDuration(activateMs)),
  ])
  return details('The last runs', table(['When (UTC)', 'Result', 'Commit', 'Took', 'Activation'], rows))
}
