import { styleText } from 'node:util'
import { marked, type Token, type Tokens } from 'marked'

type Style = Parameters<typeof styleText>[0]

/** Styled where the terminal shows styles: not in a pipe, and not with NO_COLOR. */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout })
}

/** The log of a step line by line, as the page of a run shows it: groups, with what belongs to them indented. */
export function logView(): (line: string) => string[] {
  let inGroup = false
  return (line) => {
    const [, name = '', text = line] = /^##\[(\w+)\](.*)$/.exec(line) ?? []
    if (name === 'group' || name === 'endgroup') inGroup = name === 'group'
    if (name === 'endgroup' || text.trim() === '') return []
    if (name === 'group') return [`  ${styled('bold', `▾ ${text}`)}`]
    if (name === 'error') return [`  ${styled('red', `Error: ${text}`)}`]
    if (name === 'warning') return [`  ${styled('yellow', `Warning: ${text}`)}`]
    return [inGroup ? styled('dim', `    ${text.trim()}`) : `  ${text}`]
  }
}

/** A job summary in a frame. */
export function showSummary(markdown: string): string {
  const rule = (left: string) => styled('dim', `  ${left}${'─'.repeat(100)}`)
  const lines = blocksOf(marked.lexer(markdown)).map((line) => `  ${styled('dim', '│')} ${line}`)
  return [rule('╭'), ...lines, rule('╰')].join('\n')
}

/** What is folded on GitHub stands open here, below its title and indented. */
function blocksOf(tokens: readonly Token[]): string[] {
  let depth = 0
  return tokens
    .filter(({ type }) => type !== 'space')
    .flatMap((token, index) => {
      if (token.type === 'html' && /<\/details>/.test(token.raw)) depth -= 1
      const lines = blockOf(token as Tokens.Generic)
      const shown = [
        ...(index === 0 || lines.length === 0 ? [] : ['']),
        ...lines.map((line) => `${'  '.repeat(depth)}${line}`),
      ]
      if (token.type === 'html' && /<details(?: open)?>/.test(token.raw)) depth += 1
      return shown
    })
}

function blockOf(token: Tokens.Generic): string[] {
  switch (token.type) {
    case 'heading':
      return [styled('bold', plain(token.tokens))]
    case 'blockquote': {
      const [, mood = '', text = ''] = /^\[!(\w+)\]\s*(.*)$/s.exec(token.text) ?? []
      return [styled(mood === 'NOTE' ? 'blue' : 'yellow', `▌ ${mood}: ${plain(marked.lexer(text))}`)]
    }
    case 'list':
      return (token.items as Tokens.ListItem[]).map(({ tokens }) => `• ${rich(tokens)}`)
    case 'table':
      return tableOf(
        [token.header, ...token.rows].map((row: Tokens.TableCell[]) => row.map(({ tokens }) => plain(tokens))),
      )
    case 'code':
      // A chart is a picture, and the table below it says the same.
      return token.lang === 'mermaid'
        ? []
        : (token.text as string).split('\n').map((line) => styled('dim', `  ${line}`))
    case 'html': {
      const title = /<summary>(.*)<\/summary>/.exec(token.raw)?.[1]
      return title === undefined ? [] : [`▾ ${decoded(title)}`]
    }
    default:
      return rich(token.tokens).split('\n')
  }
}

function tableOf(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row, index) => {
    const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
    return index === 0 ? styled('bold', line.trimEnd()) : line.trimEnd()
  })
}

function rich(tokens: readonly Token[] = []): string {
  return tokens.map((token) => inlineOf(token as Tokens.Generic)).join('')
}

function inlineOf(token: Tokens.Generic): string {
  if (token.type === 'codespan') return styled('cyan', token.text)
  if (token.type === 'strong') return styled('bold', rich(token.tokens))
  if (token.type === 'link') return styled('underline', rich(token.tokens))
  if (token.type === 'br' || token.raw === '<br>') return '\n'
  return token.tokens ? rich(token.tokens) : decoded(token.raw)
}

/** Without styles, where the width counts. */
function plain(tokens: readonly Token[] = []): string {
  const words = (token: Token): string => {
    if ('tokens' in token && token.tokens) return plain(token.tokens)
    return token.type === 'codespan' ? token.text : decoded(token.raw)
  }
  return tokens.map(words).join('')
}

/** A text as it is to be read: no elements, every reference resolved, no zero-width space that keeps a name from being notified. */
function decoded(text: string): string {
  return text
    .replace(/<\/?(?:code|br|details|details open|summary)>/g, '')
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('\u200b', '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}
