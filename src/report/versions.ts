/** Before and after: the versions of a run side by side, and what lies between them. */
import { commitPage, isCommit, projectPage } from './commit-page.ts'
import { code, link, plain, table } from './markdown.ts'
import type { CommitsRecord, ReleaseRef, Report, Result } from './report.ts'
import { count, humanBytes } from './text.ts'
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
  const { before, after, result } = report
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
  const row = (name: string, cell: (release: ReleaseRef) => string) => [
    name,
    ...shown.map(([, release]) => cell(release)),
  ]
  const rows = [
    row('**Version**', (release) => version(release, report)),
    row('**Commit**', ({ subject = '' }) => plain(subject, 120)),
    row('**Release**', ({ id }) => code(id, 120)),
  ]
  return table(
    ['', ...shown.map(([title]) => title)],
    rows.filter(([, ...cells]) => cells.some((cell) => cell !== '')),
  )
}

function version(release: ReleaseRef, report: Report): string {
  return link(code(shortVersion(release), 64), commitPage(report, release.revision))
}

/** One line on what lies between: commits, files, and where they can be read. */
export function difference({ before, after, run, commits, changes }: Report): string {
  const base = projectPage(run.url, run.repository)
  const parts: string[] = []
  const number = commits === undefined ? 0 : commits.commits.length + moreCommits(commits)
  if (number > 0) parts.push(count(number, 'commit'))
  if (changes) {
    const { added, changed, removed } = changes.counts
    const sent = changes.bytesSent > 0 ? `, ${humanBytes(changes.bytesSent)} sent` : ''
    if (added + changed + removed > 0) parts.push(`${count(added + changed + removed, 'file')}${sent}`)
  }
  const known = base && before && after && before.revision !== after.revision
  if (known && isCommit(before.revision) && isCommit(after.revision))
    parts.push(link('compare', `${base}/compare/${before.revision}...${after.revision}`))
  return parts.join(' · ')
}

/** Those that are not listed, where their number is known. */
export function moreCommits({ others }: CommitsRecord): number {
  return Number(/^(\d+) more$/.exec(others)?.[1] ?? 0)
}
