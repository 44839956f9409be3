/** What `status` found, host by host: Markdown. */
import { commitPage } from './commit-page.ts'
import { code, details, evidence, fence, link, plain, table, titled } from './markdown.ts'
import { pastRuns } from './past-runs.ts'
import type { Report, StatusRecord } from './report.ts'
import { count, line } from './text.ts'

/** What stands open, where there is one host: what differs, and what runs since when. */
export function statusFacts(report: Report, rows: number): string[] {
  const all = report.status ?? []
  return all.length > 1 ? [] : all.flatMap((status) => open(status, report, rows))
}

/** What is folded; of several hosts all that there is, each below its name. */
export function statusDetails(report: Report, rows: number): string[] {
  const all = (report.status ?? []).slice(0, 20)
  if (all.length < 2) return all.flatMap((status) => folded(status, report, rows))
  return all.flatMap((status) => titled(status.host, [...open(status, report, rows), ...folded(status, report, rows)]))
}

function open(status: StatusRecord, report: Report, rows: number): string[] {
  return [drift(status, rows), release(status, report)]
}

function folded(status: StatusRecord, report: Report, rows: number): string[] {
  return [running(status, rows), releases(status, report, rows), pastRuns(status.past)]
}

const time = (text: string) => plain(`${text.slice(0, 16).replace('T', ' ')} UTC`, 40)

function release({ release: now, standing, drift: differs }: StatusRecord, report: Report): string {
  const rows: readonly (readonly [string, string])[] =
    now === undefined
      ? []
      : [
          [
            'Runs',
            `${link(code(now.revision.slice(0, 7) || now.id), commitPage(report, now.revision))}${now.ref && ` of ${code(now.ref.replace(/^refs\/(heads|tags)\//, ''), 100)}`}`,
          ],
          ['Since', time(now.since)],
          [
            'Release',
            `${code(now.id)}, made ${time(now.madeAt)}${now.actor && ` by ${code(now.actor, 80)}`}${now.run.startsWith('http') ? ` in ${link('this run', now.run)}` : ''}`,
          ],
          ['Drift', differs.length === 0 ? 'none: it is as it was deployed' : ''],
        ]
  return [
    ...rows.flatMap(([name, value]) => (value ? [`- **${name}** ${value}`] : [])),
    ...standing.map((each) => `- ${plain(each, 500)}`),
  ].join('\n')
}

function drift({ drift: all }: StatusRecord, rows: number): string {
  if (all.length === 0) return ''
  const shown = all.slice(0, rows).map(({ text }) => line(text, 300))
  const rest = all.length > shown.length ? [`… and ${all.length - shown.length} more`] : []
  return evidence(`${count(all.length, 'difference')} to what was deployed`, [...shown, ...rest].join('\n'))
}

function running({ running: all }: StatusRecord, rows: number): string {
  if (all.length === 0) return ''
  return details(
    'What runs',
    fence(
      all
        .slice(0, rows)
        .map((each) => line(each, 300))
        .join('\n'),
    ),
  )
}

function releases({ releases: all }: StatusRecord, report: Report, most: number): string {
  if (all.length === 0) return ''
  const rows = all
    .slice(0, most)
    .map(({ id, at, revision }) => [
      code(id),
      time(at),
      link(code(revision.slice(0, 12)), commitPage(report, revision)),
    ])
  return details(`${count(all.length, 'release')} to go back to`, table(['`to`', 'Made', 'Commit'], rows))
}
