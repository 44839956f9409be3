import { goodResults, type Report } from './report.ts'
import { clean, cut, line } from './text.ts'
import { verdict } from './verdict.ts'

export interface Annotation {
  readonly title: string
  readonly message: string
}

/** GitHub cuts at 4,096 without a word, and the end is where the code and the link are. With the title: under 4,000. */
const limit = 3_800

/** The page that explains a code. Its headings carry the bare code as their anchor. */
export function errorPage(docsBase: string, code: string): string {
  return docsBase === '' ? '' : `${docsBase.replace(/\/+$/, '')}/docs/errors.md#${code.toLowerCase()}`
}

/** The one error annotation of a run: what failed, why, what to do. Undefined when the result is a good one. */
export function annotationOf(report: Report, docsBase = ''): Annotation | undefined {
  if (goodResults.has(report.result)) return undefined
  const { failure, rollbackFailure } = report
  const known = failure ?? rollbackFailure
  const title = line([line(report.name) || 'homelab-deploy', report.hosts[0]].filter(Boolean).join(' on '), 150)
  const page = known ? errorPage(docsBase, known.code) : ''
  const second = failure && rollbackFailure ? `${rollbackFailure.what} ${rollbackFailure.why}` : ''
  const head = [line(verdict(report), 600), several('', known?.what, 600)]
  const end = [
    several('The rollback', line(second), 500),
    // A host that is in neither state comes first.
    several('What to do', rollbackFailure?.fix || failure?.fix, 1_200),
    known ? `${line(known.code, 40)}${page && ` · ${page}`}` : '',
  ]
  // Why stands between, and gets what room the rest leaves: an input error lists every problem there.
  const room = limit - [...head, ...end].reduce((sum, part) => sum + part.length + 1, 0)
  const message = [...head, several('Why', known?.why, room), ...end].filter((part) => part !== '').join('\n')
  return { title: `${title}: ${report.result}`, message: cut(message, limit) }
}

function several(label: string, text: string | undefined, room: number): string {
  const shown = clean(text ?? '')
    .split('\n')
    .map((each) => each.trimEnd())
    .filter((each) => each !== '')
    .join('\n')
  if (shown === '') return ''
  return cut(label === '' ? shown : `${label}:${shown.includes('\n') ? '\n' : ' '}${shown}`, room)
}
