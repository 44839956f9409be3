/** GitHub Flavored Markdown around text that may be hostile. Everything here gives one line, but `fence` and the like. */
import { clean, line } from './text.ts'

const entity = (character: string): string => `&#${character.codePointAt(0)};`

/**
 * Prose without any Markdown in it. Numeric references, since Markdown never takes them for its own signs (a backslash
 * would not do: tables and links count it differently). After an `@` a zero-width space: nobody is to be pinged; and
 * after the `#` of a number: no issue is to be told in a comment that it was mentioned here.
 */
export function plain(text: string, limit?: number): string {
  return line(text, limit)
    .replace(/(?:#|\bGH-)(?=\d)/gi, '$&\u200b')
    .replace(/[&<>*[\]\\|~$`]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, entity)
    .replace(/:(?=\/\/)|(?<=www)\./gi, entity)
    .replace(/^(?:[#+=-]|\d(?=\d*[.)](?:\s|$)))/, entity)
    .replace(/@(?=[\p{L}\p{N}_-])/gu, '@\u200b')
}

/** A code span; as an element with references where backticks would need care that tables do not take. */
export function code(text: string, limit = 300): string {
  const shown = line(text, limit)
  if (shown === '') return ''
  if (!/[`|\\<&]/.test(shown)) return `\`${shown}\``
  return `<code>${shown.replace(/[^\p{L}\p{N} ./=,;-]|(?<=www)\./giu, entity)}</code>`
}

/** Our own sentences: code between backticks and addresses stay what they are, all else is plain. */
export function prose(text: string, limit?: number): string {
  return line(text, limit)
    .split(/(`[^`]+`|https:\/\/[^\s`<>"']*[^\s`<>"'.,;:!?)\]])/)
    .map((piece, index) => {
      if (index % 2 === 0) return edges(piece, plain)
      return piece.startsWith('`') ? code(piece.slice(1, -1)) : link(plain(piece), piece)
    })
    .join('')
    .trim()
}

/** `plain` trims; the blanks between two pieces must stay. */
function edges(piece: string, render: (text: string) => string): string {
  if (piece.trim() === '') return piece
  return `${piece.startsWith(' ') ? ' ' : ''}${render(piece)}${piece.endsWith(' ') ? ' ' : ''}`
}

/** A link to a web page; only its label when the address is none. The label is Markdown already. */
export function link(label: string, address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') return label
  if (url.username !== '' || url.password !== '') return label
  const href = url.href.replace(
    /[()<>|\\`\p{Cc}\s]/gu,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
  return `[${label}](${href.replaceAll('&', '&amp;')})`
}

/** A code block that nothing inside can end: its fence is longer than any run of backticks in the text. */
export function fence(text: string, language = 'text'): string {
  const shown = clean(text)
  let longest = 2
  for (const [run] of shown.matchAll(/`+/g)) longest = Math.max(longest, run.length)
  const mark = '`'.repeat(longest + 1)
  return `${mark}${language}\n${shown}${shown.endsWith('\n') ? '' : '\n'}${mark}`
}

/** Folded. The title is HTML to GitHub, and `plain` text is the same in HTML. */
export function details(title: string, body: string): string {
  return `<details>\n<summary>${title}</summary>\n\n${body}\n\n</details>`
}

/** The evidence for what the verdict says: what is short enough to be read at a glance stands open. */
export function evidence(title: string, text: string): string {
  const folded = details(title, fence(text))
  return text.split('\n').length <= 10 ? folded.replace('<details>', '<details open>') : folded
}

/** Cells are Markdown of one line without a bare `|`: what the functions above give. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n')
}

/** The sections about one of several hosts, below its name; nothing where there is nothing to say of it. */
export function titled(host: string, sections: readonly string[]): string[] {
  return sections.some((section) => section !== '') ? [`#### ${code(host, 120)}`, ...sections] : []
}

/** A number and its unit, which a narrow column is not to part. */
export function unbroken(text: string): string {
  return text.replaceAll(' ', '\u00a0')
}

/** Several lines of ours: a list stays a list, the other lines stay lines. */
export function paragraphs(text: string, lines = 60): string {
  const all = clean(text)
    .split('\n')
    .map((each) => each.trim())
    .filter((each) => each !== '')
  const shown = all
    .slice(0, lines)
    .map((each) => (/^[-*•] /.test(each) ? `- ${prose(each.slice(2), 1_000)}` : prose(each, 2_000)))
  if (all.length > lines) shown.push(`… and ${all.length - lines} more, in the log`)
  return shown.reduce((text, next) => {
    if (text === '') return next
    const inList = text.slice(text.lastIndexOf('\n') + 1).startsWith('- ')
    if (next.startsWith('- ')) return `${text}${inList ? '\n' : '\n\n'}${next}`
    return `${text}${inList ? '\n\n' : '<br>\n'}${next}`
  }, '')
}
