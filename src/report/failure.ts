import { errorPage } from './annotation.ts'
import { code, details, fence, link, paragraphs, plain, prose } from './markdown.ts'
import type { FailureRecord } from './report.ts'
import { clean, count, cut, tail } from './text.ts'

/** What failed, why, what to do, the code, and the end of the output: a part of the summary. */
export function failure(found: FailureRecord | undefined, title: string, docsBase: string, room: number): string {
  if (found === undefined) return ''
  const what = `${prose(found.what, 1_000)}${found.step ? ` (while: ${plain(found.step, 80)})` : ''}`
  const entry = link(code(found.code, 40), errorPage(docsBase, found.code))
  const log = tail(found.detail, room)
  const last = log.text === '' ? '' : details(foldTitle('The last lines of the output', log.dropped), fence(log.text))
  return [`#### ${title}`, what, why(found.why), fix(found.fix), `Error code ${entry}`, last]
    .filter(Boolean)
    .join('\n\n')
}

export function foldTitle(title: string, dropped: number): string {
  return dropped > 0 ? `${title} (${count(dropped, 'earlier line')} left out)` : title
}

function why(text: string): string {
  return text.trim() === '' ? '' : `**Why** ${text.trim().includes('\n') ? '\n\n' : ''}${paragraphs(cut(text, 8_000))}`
}

/** Of several lines, all is to be pasted but a first line that announces it. */
function fix(text: string): string {
  const [first = '', ...rest] = cut(clean(text).trim(), 8_000).split('\n')
  if (first === '') return ''
  if (rest.length === 0) return `**What to do** ${prose(first)}`
  if (/^[-*•] /.test(first) || rest.every((each) => each.trim() === '' || /^[-*•] /.test(each)))
    return `**What to do**\n\n${paragraphs(cut(text, 8_000))}`
  const announced = /[:.]\s*$/.test(first) || rest[0]?.trim() === ''
  const paste = (announced ? rest : [first, ...rest]).join('\n').replace(/^\s*\n/, '')
  return `**What to do** ${announced ? prose(first) : ''}\n\n${fence(paste, 'sh')}`
}
