/** What `status` found, host by host: Markdown. */
import { commitPage } from './commit-page.ts'
import { code, details, fence, link, plain, table } from './markdown.ts'
import { pastRuns } from './past-runs.ts'
import type { Report, StatusRecord } from './report.ts'
import { count, line } from './text.ts'

export function statusSections(report: Report, rows: number): string[] {
  const all = report.status ?? []
  return all
    .slice(0, 20)
    .flatMap((status) => [
      all.length > 1 ? `### ${code(status.host, 120)}` : '',
      release(status, report),
      drift(status, rows),
      running(status, rows),
      releases(status, report, rows),
      pastRuns(status.past),
    ])
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
          ['Drift', differs.length === 0 ? 'none: it is as it was deployed' : count(differs.length, 'difference')],
        ]
  return [
    ...rows.map(([name, value]) => `- **${name}** ${value}`),
    ...standing.map((each) => `- ${plain(each, 500)}`),
  ].join('\n')
}

function drift({ drift: all }: StatusRecord, rows: number): string {
  if (all.length === 0) return ''
  const shown = all.slice(0, rows).map(({ text }) => line(text, 300))
  const rest = all.length > shown.length ? [`… and ${all.length - shown.length} more`] : []
  return details(`${count(all.length, 'difference')} to what was deployed`, fence([...shown, ...rest].join('\n')))
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
