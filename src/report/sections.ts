/** The parts of the summary: each gives Markdown, or nothing when there is nothing to say. */
import { humanDuration } from '../clock.ts'
import { quote } from '../shell.ts'
import { code, details, fence, link, plain, table } from './markdown.ts'
import type { Changes, ReleaseRef, Report, Result } from './report.ts'
import { count, humanBytes, line } from './text.ts'
import { shortVersion } from './verdict.ts'

export function facts(report: Report): string {
  const more =
    report.hosts.length > 1
      ? `, and ${report.hosts
          .slice(1, 20)
          .map((host) => code(host))
          .join(', ')}`
      : ''
  const where =
    report.hosts[0] === undefined
      ? ''
      : `${code(report.hosts[0])}${report.system && ` (${plain(report.system, 200)})`}${more}`
  const rows: readonly (readonly [string, string])[] = [
    ['Version', versions(report)],
    ['Commit', plain(report.after?.subject ?? '', 120)],
    [
      'Release',
      [report.before?.id, report.after?.id]
        .filter((id, at, all) => id && all.indexOf(id) === at)
        .map((id) => code(id ?? ''))
        .join(' → '),
    ],
    ['Host', [where, report.path && `in ${code(report.path)}`].filter(Boolean).join(' ')],
    ['Network', report.network ? `through the tailnet, ${plain(report.network, 100)}` : ''],
    [
      'How',
      [report.mode, report.strategy]
        .filter(Boolean)
        .map((each) => code(each))
        .join(', ') + (report.run.actor && `, asked for by ${code(report.run.actor)}`),
    ],
    ['Address', report.url && link(plain(report.url, 500), report.url)],
  ]
  return rows.flatMap(([name, value]) => (value ? [`- **${name}** ${value}`] : [])).join('\n')
}

function versions({ before, after, run, result }: Report): string {
  const base = projectPage(run.url, run.repository)
  const one = (release: ReleaseRef): string => {
    const name = code(shortVersion(release), 64)
    return base && isCommit(release.revision) ? link(name, `${base}/commit/${release.revision}`) : name
  }
  if (before === undefined || after === undefined || shortVersion(before) === shortVersion(after)) {
    const only = after ?? before
    return only ? one(only) : ''
  }
  const known = base && isCommit(before.revision) && isCommit(after.revision)
  const compare = known ? ` (${link('compare', `${base}/compare/${before.revision}...${after.revision}`)})` : ''
  const back = result === 'rolled-back' ? ` → back to ${one(before)}` : ''
  return `${one(before)} → ${one(after)}${back}${compare}`
}

/** From the address of the run, since the project may live on a GitHub of its own. */
export function projectPage(runUrl: string, repository: string): string {
  if (!URL.canParse(runUrl) || !/^[\w.-]+\/[\w.-]+$/.test(repository)) return ''
  return `${new URL(runUrl).origin}/${repository}`
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{7,64}$/i.test(revision)
}

export function steps(report: Report): string {
  if (report.steps.length === 0) return ''
  const mark = { ok: '✓', failed: '✗', skipped: '–' } as const
  const shown = report.steps.slice(-60)
  const rows = shown.map((step) => [
    mark[step.result],
    plain(step.name, 80),
    humanDuration(step.durationMs),
    plain(step.note, 160),
  ])
  return table(['', 'Step', 'Took', ''], rows)
}

export function health(report: Report): string {
  if (report.health.length === 0) return ''
  const rows = report.health
    .slice(0, 40)
    .map((check) => [
      check.healthy ? '✓' : '✗',
      code(check.check, 200),
      plain(check.seen, 200),
      check.latencyMs > 0 ? humanDuration(check.latencyMs) : '',
    ])
  return table(['', 'Health', 'Last seen', 'Latency'], rows)
}

const words: Readonly<Record<Result, string>> = {
  deployed: '✓ deployed',
  unchanged: '✓ unchanged',
  planned: '◇ planned',
  healthy: '✓ healthy',
  unhealthy: '✗ not healthy',
  'rolled-back': '↩ rolled back',
  failed: '✗ failed',
  'rollback-failed': '✗ rollback failed',
  unknown: '? unknown',
}

/** Where there are several, a row for each; of one alone the page says all that there is to say. */
export function machines(report: Report): string {
  const rows = (report.machines ?? []).slice(0, 100).map((machine) => [
    code(machine.host, 120),
    machine.result === 'failed' && !machine.changed ? '– not touched' : words[machine.result],
    [machine.before, machine.after]
      .map(shortVersion)
      .filter((version, at, all) => version && all.indexOf(version) === at)
      .map((version) => code(version, 64))
      .join(' → '),
    machine.health.map(({ healthy, check }) => `${healthy ? '✓' : '✗'} ${code(check, 80)}`).join(', '),
  ])
  return rows.length === 0 ? '' : table(['Host', 'Result', 'Version', 'Health'], rows)
}

export function changes(found: Changes | undefined): string {
  if (found === undefined) return ''
  const { added, changed, removed } = found.counts
  const total = added + changed + removed
  if (total === 0) return ''
  const sent = found.bytesSent > 0 ? `, ${humanBytes(found.bytesSent)} sent` : ''
  const names = [
    ...found.removed.map((name) => `- ${line(name, 200)}`),
    ...found.changed.map((name) => `! ${line(name, 200)}`),
    ...found.added.map((name) => `+ ${line(name, 200)}`),
  ].slice(0, 20)
  const rest = total > names.length ? [`  … and ${total - names.length} more`] : []
  const title = `${count(total, 'file')}: ${added} added, ${changed} changed, ${removed} removed${sent}`
  return details(title, fence([...names, ...rest].join('\n'), 'diff'))
}

/** How a person takes it back, or forth, with nothing but what this page shows. */
export function byHand({ before, hosts, name, result, changed, run }: Report): string {
  const useful =
    result === 'deployed' || result === 'rollback-failed' || result === 'unknown' || (result === 'failed' && changed)
  if (!useful || before === undefined || before.id === '') return ''
  const yaml = (text: string): string => `'${line(text, 300).replaceAll("'", "''")}'`
  const inputs = ['with:', `  mode: rollback`, `  name: ${yaml(name)}`, `  to: ${yaml(before.id)}`]
  if (hosts[0] !== undefined) inputs.push(`  host: ${yaml(hosts[0])}`)
  const workflow = run.workflow === '' ? 'WORKFLOW' : quote(line(run.workflow, 200))
  const repository = /^[\w.-]+\/[\w.-]+$/.test(run.repository) ? ` --repo ${run.repository}` : ''
  const command = `gh workflow run ${workflow}${repository} -f mode=rollback -f to=${quote(line(before.id, 300))}`
  return details(
    'Go back by hand',
    [
      'Run the workflow with these inputs, if it has a `workflow_dispatch` that takes `mode` and `to`:',
      fence(command, 'sh'),
      'or use the action with:',
      fence(inputs.join('\n'), 'yaml'),
    ].join('\n\n'),
  )
}
