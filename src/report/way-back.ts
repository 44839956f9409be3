import { quote } from '../shell.ts'
import { projectPage } from './commit-page.ts'
import { code, details, fence, link, plain, table } from './markdown.ts'
import type { Report } from './report.ts'
import { line } from './text.ts'
import { shortVersion } from './verdict.ts'

/** How a person takes it back, with nothing but what this page shows. */
export function wayBack(report: Report): string {
  const { before, hosts, name, result, changed } = report
  const useful =
    result === 'deployed' || result === 'rollback-failed' || result === 'unknown' || (result === 'failed' && changed)
  if (!useful || before === undefined || before.id === '') return ''
  const yaml = (text: string): string => `'${line(text, 300).replaceAll("'", "''")}'`
  const inputs = ['with:', `  mode: rollback`, `  name: ${yaml(name)}`, `  to: ${yaml(before.id)}`]
  if (hosts[0] !== undefined) inputs.push(`  host: ${yaml(hosts[0])}`)
  return details(
    // A title is HTML to GitHub, which knows no backticks.
    `Go back to <code>${plain(shortVersion(before), 64)}</code>`,
    [
      `${workflow(report)} with these values, where it has a \`workflow_dispatch\` that takes them:`,
      table(
        ['Input', 'Value'],
        [
          [code('mode'), code('rollback')],
          [code('to'), code(before.id)],
        ],
      ),
      fence(command(report, before.id), 'sh'),
      'Or give the action itself:',
      fence(inputs.join('\n'), 'yaml'),
    ].join('\n\n'),
  )
}

/** Its page has the button that starts it. */
function workflow({ run }: Report): string {
  const base = projectPage(run.url, run.repository)
  const file = run.workflowFile ?? ''
  if (base === '' || file === '') return 'Run the workflow'
  return `${link(`Run ${code(file)}`, `${base}/actions/workflows/${encodeURIComponent(file)}`)}`
}

function command({ run }: Report, to: string): string {
  const name = run.workflowFile || run.workflow
  const repository = /^[\w.-]+\/[\w.-]+$/.test(run.repository) ? ` --repo ${run.repository}` : ''
  return `gh workflow run ${name === '' ? 'WORKFLOW' : quote(line(name, 200))}${repository} -f mode=rollback -f to=${quote(line(to, 300))}`
}
