import { styleText } from 'node:util'
import { type Block, type Inline, parseBlocks, parseInline } from './markdown.ts'

type Style = Parameters<typeof styleText>[0]

/** Styled where the terminal shows styles: not in a pipe, and not with NO_COLOR. */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout })
}

/** The log of a step, as the page of a run shows it: groups, with what belongs to them indented. */
export function showLog(log: string): string {
  let inGroup = false
  return log
    .split('\n')
    .flatMap((line) => {
      const [, name = '', text = line] = /^##\[(\w+)\](.*)$/.exec(line) ?? []
      if (name === 'group' || name === 'endgroup') inGroup = name === 'group'
      if (name === 'endgroup' || text.trim() === '') return []
      if (name === 'group') return [`  ${styled('bold', `▾ ${text}`)}`]
      if (name === 'error') return [`  ${styled('red', `Error: ${text}`)}`]
      if (name === 'warning') return [`  ${styled('yellow', `Warning: ${text}`)}`]
      return [inGroup ? styled('dim', `    ${text.trim()}`) : `  ${text}`]
    })
    .join('\n')
}

/** A job summary in a frame. */
export function showSummary(markdown: string): string {
  const width = 100
  const rule = (left: string, right: string) => styled('dim', `  ${left}${'─'.repeat(width)}${right}`)
  const lines = blocksOf(parseBlocks(markdown)).map((line) => `  ${styled('dim', '│')} ${line}`)
  return [rule('╭', ''), ...lines, rule('╰', '')].join('\n')
}

function blocksOf(blocks: readonly Block[]): string[] {
  return blocks.flatMap((block, index) => [...(index === 0 ? [] : ['']), ...blockOf(block)])
}

function blockOf(block: Block): string[] {
  switch (block.kind) {
    case 'heading':
      return [styled('bold', plain(block.text))]
    case 'alert':
      return [styled(block.mood === 'note' ? 'blue' : 'yellow', `▌ ${block.mood.toUpperCase()}: ${plain(block.text)}`)]
    case 'paragraph':
      return rich(block.text).split('\n')
    case 'list':
      return block.items.map((item) => `• ${rich(item)}`)
    case 'table':
      return tableOf([block.head, ...block.rows].map((row) => row.map(plain)))
    case 'fence':
      return block.text.split('\n').map((line) => styled('dim', `  ${line}`))
    case 'details':
      return [`▾ ${plain(block.title)}`, ...blocksOf(block.blocks).map((line) => `  ${line}`)]
  }
}

function tableOf(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row, index) => {
    const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
    return index === 0 ? styled('bold', line.trimEnd()) : line.trimEnd()
  })
}

function rich(text: string): string {
  return parseInline(text).map(inlineOf).join('')
}

function inlineOf(inline: Inline): string {
  switch (inline.kind) {
    case 'code':
      return styled('cyan', inline.text)
    case 'bold':
      return styled('bold', inline.parts.map(inlineOf).join(''))
    case 'link':
      return styled('underline', inline.parts.map(inlineOf).join(''))
    default:
      return inline.text
  }
}

/** Without styles, where the width counts. */
function plain(text: string): string {
  const words = (inline: Inline): string => ('parts' in inline ? inline.parts.map(words).join('') : inline.text)
  return parseInline(text).map(words).join('')
}
