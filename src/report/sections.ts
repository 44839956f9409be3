/** The parts of the summary: each gives Markdown, or nothing when there is nothing to say. */
import { humanDuration } from '../clock.ts'
import { commitPage, isCommit } from './commit-page.ts'
import { code, details, fence, link, plain, table, unbroken } from './markdown.ts'
import type { Changes, CommitsRecord, HealthRecord, HostRecord, Report, Result } from './report.ts'
import { count, humanBytes, line } from './text.ts'
import { timeline } from './timeline.ts'
import { shortVersion } from './verdict.ts'
import { moreCommits } from './versions.ts'

export function facts(report: Report): string {
  const { hosts, path, system, mode, strategy, run, url } = report
  const [canary = '', ...others] = hosts.slice(0, 20).map((host) => code(host))
  const where = [canary, path && `in ${code(path)}`, system && `(${plain(system, 200)})`].filter(Boolean).join(' ')
  const rows: readonly (readonly [string, string])[] = [
    ['Address', url && link(plain(url, 500), url)],
    ['Host', [where, ...others].filter(Boolean).join(', and ')],
    ['Network', way(report)],
    [
      'How',
      [code(mode), strategy && `by ${code(strategy)}`].filter(Boolean).join(' ') +
        (run.actor && `, asked for by ${code(run.actor)}`),
    ],
    ['Took', took(report)],
  ]
  return rows.flatMap(([name, value]) => (value ? [`- **${name}** ${value}`] : [])).join('\n')
}

/** How packets get there, where that is not simply from here to there. */
function way({ network, jump }: Report): string {
  const tailnet = network ? `through the tailnet, ${plain(network, 100)}` : ''
  const last = jump ? `through the jump host ${code(jump, 120)}` : ''
  return [tailnet, last].filter(Boolean).join(', and from there ')
}

/** Against what is usual: a deploy that takes twice as long is a question, also when it went well. */
function took({ durationMs, usual, mode, result }: Report): string {
  if (usual === undefined || result !== 'deployed') return ''
  const [runs, before] = [usual.runs, humanDuration(usual.durationMs)]
  const what = mode === 'rollback' ? 'rollback' : 'deploy'
  return `${humanDuration(durationMs)}; ${runs === 1 ? `the last ${what} took ${before}` : `the median of the last ${runs} ${what}s is ${before}`}`
}

export function health(report: Report): string {
  const { health: checks, healthAfter, before, after } = report
  if (healthAfter !== undefined) return healthOfBoth(checks, healthAfter, shortVersion(after), shortVersion(before))
  if (checks.length === 0) return ''
  const rows = checks.slice(0, most).map(({ healthy, check, seen, latencyMs }) => {
    const latency = latencyMs > 0 ? unbroken(humanDuration(latencyMs)) : ''
    // It has a column of its own.
    const said = seen.replace(` in ${latencyMs} ms`, '')
    return [healthy ? '✅' : '❌', code(check, 200), plain(said, 200), latency]
  })
  return table(['', 'Health check', 'Last seen', 'Latency'], rows)
}

const most = 40

/** What was tried, and what came back, side by side. A check that was ill before the deploy is not asked again. */
function healthOfBoth(tried: readonly HealthRecord[], back: readonly HealthRecord[], now: string, old: string): string {
  const names = [...new Set([...tried, ...back].map(({ check }) => check))].slice(0, most)
  const cell = (all: readonly HealthRecord[], name: string): string => {
    const found = all.find(({ check }) => check === name)
    return found ? `${found.healthy ? '✅' : '❌'} ${plain(found.seen, 200)}` : ''
  }
  const head = ['Health check', `${code(now, 64)} when it was tried`, `${code(old, 64)} afterwards`]
  return table(
    head.map((title) => title.trim()),
    names.map((name) => [code(name, 200), cell(tried, name), cell(back, name)]),
  )
}

const words: Readonly<Record<Result, string>> = {
  deployed: '✅ deployed',
  unchanged: '✅ unchanged',
  planned: '📋 planned',
  healthy: '✅ healthy',
  unhealthy: '❌ not healthy',
  'rolled-back': '↩️ rolled back',
  failed: '❌ failed',
  'rollback-failed': '🛑 rollback failed',
  unknown: '❓ unknown',
}

/** What was there before is what is there now. */
function servesOld({ result, changed }: HostRecord): boolean {
  return result === 'rolled-back' || (result === 'failed' && !changed)
}

/** Where there are several, a row for each; of one alone the page says all that there is to say. */
export function machines(report: Report): string {
  const rows = (report.machines ?? []).slice(0, 100).map((machine) => [
    code(machine.host, 120),
    machine.result === 'failed' && !machine.changed ? '– not touched' : words[machine.result],
    (servesOld(machine) ? [machine.before] : [machine.before, machine.after])
      .map(shortVersion)
      .filter((version, at, all) => version && all.indexOf(version) === at)
      .map((version) => code(version, 64))
      .join(' → '),
    machine.health.map(({ healthy, check }) => `${healthy ? '✅' : '❌'} ${code(check, 80)}`).join(', '),
  ])
  return rows.length === 0 ? '' : table(['Host', 'Result', 'Version', 'Health'], rows)
}

export function commits(found: CommitsRecord | undefined, report: Report): string {
  if (found === undefined) return ''
  const total = found.commits.length + moreCommits(found)
  // So many that GitHub gave their number alone.
  if (found.commits.length === 0) return total === 0 ? '' : `${count(total, 'commit')} in between.`
  const shown = found.commits.slice(0, 20).map(({ revision, subject }) => {
    const name = code(isCommit(revision) ? revision.slice(0, 7) : revision, 64)
    return `- ${link(name, commitPage(report, revision))} ${plain(subject, 120)}`
  })
  const more = moreCommits(found)
  if (more > 0) shown.push(`- … and ${more} more`)
  return details(count(total, 'commit'), shown.join('\n'))
}

export function changes(found: Changes | undefined, sent = 'sent'): string {
  if (found === undefined) return ''
  const { added, changed, removed } = found.counts
  const total = added + changed + removed
  if (total === 0) return ''
  const names = [
    ...found.removed.map((name) => `- ${line(name, 200)}`),
    ...found.changed.map((name) => `! ${line(name, 200)}`),
    ...found.added.map((name) => `+ ${line(name, 200)}`),
  ].slice(0, 20)
  const rest = total > names.length ? [`  … and ${total - names.length} more`] : []
  const kinds = Object.entries({ added, changed, removed }).filter(([, number]) => number > 0)
  const size = found.bytesSent > 0 ? `, ${humanBytes(found.bytesSent)} ${sent}` : ''
  const title = `${count(total, 'file')}${size}: ${kinds.map(([kind, number]) => `${number} ${kind}`).join(', ')}`
  return details(title, fence([...names, ...rest].join('\n'), 'diff'))
}

/** As a picture, and as a table with what each of them said. */
export function steps(report: Report): string {
  if (report.steps.length === 0) return ''
  const mark = { ok: '✓', failed: '❌', skipped: '–' } as const
  const rows = report.steps
    .slice(-60)
    .map(({ result, name, durationMs, note }) => [
      mark[result],
      plain(name, 80),
      unbroken(humanDuration(durationMs)),
      plain(note, 160),
    ])
  const chart = timeline(report.steps)
  const body = [chart && fence(chart, 'mermaid'), table(['', 'Step', 'Took', 'Note'], rows)]
    .filter(Boolean)
    .join('\n\n')
  return details(`Timeline: ${count(report.steps.length, 'step')} in ${humanDuration(report.durationMs)}`, body)
}
