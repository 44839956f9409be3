import { errorPage } from './annotation.ts'
import { code, evidence, fence, link, paragraphs, plain, prose } from './markdown.ts'
import type { FailureRecord } from './report.ts'
import { clean, count, cut, tail } from './text.ts'

/** What failed, why, what to do, the code, and the end of the output: a part of the summary. */
export function failure(
  found: FailureRecord | undefined,
  title: string,
  docsBase: string,
  room: number,
  urgent = false,
): string {
  if (found === undefined) return ''
  const what = `${prose(found.what, 1_000)}${found.step ? ` (while: ${plain(found.step, 80)})` : ''}`
  const entry = link(code(found.code, 40), errorPage(docsBase, found.code))
  const log = tail(found.detail, room)
  const last = log.text === '' ? '' : evidence(foldTitle('The last lines of the output', log.dropped), log.text)
  const reason = why(found.why)
  // Whoever has to act at once reads first what to do.
  const order = urgent ? [fix(found.fix, '**What to do now**'), what, reason] : [what, reason, fix(found.fix)]
  return [`#### ${title}`, ...order, `Error code ${entry}`, last].filter(Boolean).join('\n\n')
}

export function foldTitle(title: string, dropped: number): string {
  return dropped > 0 ? `${title} (${count(dropped, 'earlier line')} left out)` : title
}

function why(text: string): string {
  return text.trim() === '' ? '' : `**Why** ${text.trim().includes('\n') ? '\n\n' : ''}${paragraphs(cut(text, 8_000))}`
}

/** Of several lines, all is to be pasted but a first line that announces it. */
function fix(text: string, label = '**What to do**'): string {
  // Cut roughly first, as in `line`.
  const [first = '', ...rest] = cut(clean(text.slice(0, 64_000)).trim(), 8_000).split('\n')
  if (first === '') return ''
  if (rest.length === 0) return `${label} ${prose(first)}`
  if (/^[-*•] /.test(first) || rest.every((each) => each.trim() === '' || /^[-*•] /.test(each)))
    return `${label}\n\n${paragraphs(cut(text, 8_000))}`
  const announced = /[:.]\s*$/.test(first) || rest[0]?.trim() === ''
  const paste = (announced ? rest : [first, ...rest]).join('\n').replace(/^\s*\n/, '')
  return `${label} ${announced ? prose(first) : ''}\n\n${fence(paste, 'sh')}`
}
