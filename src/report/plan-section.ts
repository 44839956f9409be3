/** What a plan found, host by host: Markdown. */
import { humanDuration } from '../clock.ts'
import { commitPage } from './commit-page.ts'
import { failure } from './failure.ts'
import { code, details, fence, link, plain, prose } from './markdown.ts'
import { pastRuns } from './past-runs.ts'
import type { PlanRecord, Report } from './report.ts'
import { changes } from './sections.ts'
import { count, humanBytes, line } from './text.ts'

export function planSections(report: Report, docsBase: string, rows: number): string[] {
  const plans = report.plan ?? []
  return plans.slice(0, 20).flatMap((plan) => [
    plans.length > 1 ? `### ${code(plan.host, 120)}` : '',
    ...plan.obstacles.map((obstacle, index) => {
      const which = plan.obstacles.length > 1 ? ` (${index + 1} of ${plan.obstacles.length})` : ''
      return failure({ ...obstacle, step: '', detail: '' }, `In the way${which}`, docsBase, 0)
    }),
    facts(plan, rows),
    commits(plan, report, rows),
    does(plan, rows),
    plan.changes ? changes({ ...plan.changes, bytesSent: 0 }) : '',
    edited(plan, rows),
    pastRuns(plan.past),
  ])
}

function facts(plan: PlanRecord, most: number): string {
  const { changes: files, unchanged, interrupts, commands, env, files: written, notes } = plan
  const total = files ? files.counts.added + files.counts.changed + files.counts.removed : 0
  const names = (all: readonly string[]) => {
    const shown = all.slice(0, most).map((name) => code(name, 100))
    return [...shown, ...(all.length > shown.length ? [`and ${all.length - shown.length} more`] : [])].join(', ')
  }
  const rows: readonly (readonly [string, string])[] = [
    ['Nothing to do', unchanged ? 'A deploy would find nothing to change.' : ''],
    ['Files', files && total > 0 ? `${count(total, 'file')} differ, ${humanBytes(files.bytesSent)} to send` : ''],
    ['New in the env file', names(env.added)],
    ['Gone from the env file', names(env.removed)],
    ['Written anew', names(written)],
    [
      'Interrupted',
      interrupts
        .slice(0, most)
        .map((each) => plain(each, 200))
        .join(', '),
    ],
    ['Time', unchanged ? '' : times(plan)],
    ['Runs besides', names(commands)],
    [
      'Found',
      notes
        .slice(0, most)
        .map((each) => prose(each, 300))
        .join('; '),
    ],
  ]
  return rows.flatMap(([name, value]) => (value ? [`- **${name}** ${value}`] : [])).join('\n')
}

/** The old version is gone and the new one not there yet while it is activated; that takes as long as it took before. */
function times({ past }: PlanRecord): string {
  const good = past.filter(({ result }) => result === 'deployed')
  const active = good.flatMap(({ activateMs }) => activateMs ?? [])
  const took = (all: readonly number[], what: string) =>
    all.length === 0
      ? []
      : [
          `${what} ${humanDuration(median(all))} ${all.length === 1 ? 'the last time' : `(median of the last ${all.length})`}`,
        ]
  const whole = good.map(({ durationMs }) => durationMs)
  return [...took(active, 'the activation took'), ...took(whole, 'all of it')].join(', ')
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
}

function commits({ commits: all, otherCommits }: PlanRecord, report: Report, most: number): string {
  if (all.length === 0) return otherCommits === '' ? '' : `Commits since the release that runs: ${prose(otherCommits)}.`
  const rows = all.slice(0, most).map(({ revision, subject }) => {
    const short = code(revision.slice(0, 7))
    return `- ${link(short, commitPage(report, revision))} ${plain(subject, 120)}`
  })
  const rest = otherCommits === '' ? [] : [`- … and ${plain(otherCommits, 100)}`]
  return details(
    `${count(all.length, 'commit')}${otherCommits && ` and ${plain(otherCommits, 100)}`}`,
    [...rows, ...rest].join('\n'),
  )
}

function does({ does: all }: PlanRecord, rows: number): string {
  if (all.length === 0) return ''
  const shown = all.slice(0, rows).map((each) => line(each.replace(/^~/, '!'), 300))
  const rest = all.length > shown.length ? [`  … and ${all.length - shown.length} more`] : []
  return details(`${count(all.length, 'change')} besides the files`, fence([...shown, ...rest].join('\n'), 'diff'))
}

function edited({ edited: all }: PlanRecord, rows: number): string {
  if (all.length === 0) return ''
  const names = all.slice(0, rows).map((name) => line(name, 200))
  const rest = all.length > names.length ? [`… and more`] : []
  return details('Edited on the host, and would be replaced (a copy is kept)', fence([...names, ...rest].join('\n')))
}
