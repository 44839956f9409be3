/** Before and after: the versions of a run side by side, and what lies between them. */
import { commitPage, isCommit, projectPage } from './commit-page.ts'
import { code, link, plain, table } from './markdown.ts'
import type { CommitsRecord, ReleaseRef, Report, Result } from './report.ts'
import { shortVersion } from './verdict.ts'

/** What the two columns are called: it depends on which of the two serves now. */
const columns: Readonly<Record<Result, readonly [string, string]>> = {
  deployed: ['Before', 'Now'],
  unchanged: ['Before', 'Now'],
  planned: ['Runs now', 'Would run'],
  healthy: ['Before', 'Runs now'],
  unhealthy: ['Before', 'Runs now'],
  'rolled-back': ['Serves again', 'Was tried'],
  failed: ['Before', 'Was tried'],
  'rollback-failed': ['Before', 'Was tried'],
  unknown: ['Before', 'Was tried'],
}

export function versions(report: Report): string {
  const { before, after, mode } = report
  const result = mode === 'plan' ? 'planned' : report.result
  const same = before !== undefined && after !== undefined && before.id === after.id
  const [old, now] = columns[result]
  const pairs: readonly (readonly [string, ReleaseRef | undefined])[] = same
    ? [[now, after]]
    : [
        [old, before],
        [now, after],
      ]
  const shown = pairs.filter((pair): pair is readonly [string, ReleaseRef] => pair[1] !== undefined)
  if (shown.length === 0) return ''
  const rows = [['**Version**', ...shown.map(([, release]) => version(release, report))]]
  // One that is yet to be made has no name, and one without a commit has been called by its name above.
  if (shown.every(([, { id, revision }]) => id !== '' && revision !== ''))
    rows.push(['**Release**', ...shown.map(([, { id }]) => code(id, 120))])
  return table(['', ...shown.map(([title]) => title)], rows)
}

/** With its subject; that of this run also leads to all that lies between the two. */
function version(release: ReleaseRef, report: Report): string {
  const name = link(code(shortVersion(release), 64), commitPage(report, release.revision))
  const comparison = release === report.after ? compare(report) : ''
  return [name, plain(release.subject ?? '', 120), comparison && `(${link('compare', comparison)})`]
    .filter(Boolean)
    .join(' ')
}

function compare({ before, after, run, mode }: Report): string {
  const base = projectPage(run.url, run.repository)
  if (base === '' || !before || !after || before.revision === after.revision) return ''
  if (!isCommit(before.revision) || !isCommit(after.revision)) return ''
  // The newer one comes last, or there is nothing to see.
  const [older, newer] = mode === 'rollback' ? [after, before] : [before, after]
  return `${base}/compare/${older.revision}...${newer.revision}`
}

/** Those that are not listed, where their number is known. */
export function moreCommits({ others }: CommitsRecord): number {
  return Number(/^(\d+) more$/.exec(others)?.[1] ?? 0)
}
