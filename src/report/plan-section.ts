/** What a plan found, host by host: Markdown. */
import { humanDuration } from '../clock.ts'
import { commitPage } from './commit-page.ts'
import { failure } from './failure.ts'
import { code, details, fence, link, plain, prose, titled } from './markdown.ts'
import { median } from './median.ts'
import { pastRuns } from './past-runs.ts'
import type { PlanRecord, Report } from './report.ts'
import { changes } from './sections.ts'
import { count, line } from './text.ts'

/** All that would stop a deploy, each with its fix. */
export function planObstacles({ plan: plans = [] }: Report, docsBase: string): string[] {
  return plans.slice(0, most).flatMap(({ host, obstacles }) =>
    obstacles.map((obstacle, index) => {
      const which = obstacles.length > 1 ? ` (${index + 1} of ${obstacles.length})` : ''
      const where = plans.length > 1 ? ` on ${code(host, 120)}` : ''
      return failure({ ...obstacle, step: '', detail: '' }, `In the way${where}${which}`, docsBase, 0)
    }),
  )
}

/** What stands open, where there is one host: what a deploy means for it. */
export function planFacts({ plan: plans = [] }: Report, rows: number): string[] {
  return plans.length > 1 ? [] : plans.map((plan) => facts(plan, rows))
}

/** What is folded; of several hosts all that there is, each below its name. */
export function planDetails(report: Report, rows: number): string[] {
  const plans = (report.plan ?? []).slice(0, most)
  if (plans.length < 2) return plans.flatMap((plan) => folded(plan, report, rows))
  return plans.flatMap((plan) => titled(plan.host, [facts(plan, rows), ...folded(plan, report, rows)]))
}

const most = 20

function folded(plan: PlanRecord, report: Report, rows: number): string[] {
  return [
    does(plan, rows),
    changes(plan.changes, 'to send'),
    edited(plan, rows),
    commits(plan, report, rows),
    pastRuns(plan.past),
  ]
}

function facts(plan: PlanRecord, most: number): string {
  const { unchanged, interrupts, commands, env, files: written, notes } = plan
  const names = (all: readonly string[]) => {
    const shown = all.slice(0, most).map((name) => code(name, 100))
    return [...shown, ...(all.length > shown.length ? [`and ${all.length - shown.length} more`] : [])].join(', ')
  }
  const rows: readonly (readonly [string, string])[] = [
    ['Nothing to do', unchanged ? 'a deploy would find nothing to change' : ''],
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
