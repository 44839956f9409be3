/** Text of others (hosts, tools, commit messages) made safe to show. What Markdown makes of it: see markdown.ts. */

import { Lines } from './lines.ts'

/** Escape sequences of a terminal: they colour, move the cursor, set titles, make links. */
const ansi = new RegExp(
  [
    String.raw`(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?`,
    String.raw`(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?`,
    String.raw`\u001b[ -/]*[0-~]?`,
  ].join('|'),
  'g',
)
/** Control characters but tab and line feed; and what is invisible, reorders text, or smuggles it. */
const invisible =
  /[\p{Cc}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu

/** Text of any number of lines: readable characters, tabs and line feeds, nothing else. */
export function clean(text: string): string {
  return text
    .toWellFormed()
    .replace(ansi, '')
    .replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n')
    .replace(invisible, (character) => (character === '\n' || character === '\t' ? character : ''))
}

/** The same on one line, cut to a length. */
export function line(text: string, limit = 2_000): string {
  // Cut roughly first: nobody should wait for the cleaning of megabytes that are not shown.
  return cut(
    clean(text.slice(0, limit * 8))
      .replace(/\s+/g, ' ')
      .trim(),
    limit,
  )
}

export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  return `${text
    .slice(0, limit - 1)
    .toWellFormed()
    .replace(/\ufffd$/, '')}…`
}

/**
 * A line for the log that the runner cannot take for a command. It looks for `::name::` at the start of a trimmed line
 * and for `##[name]` anywhere, and its comparison may skip characters that have no weight, such as joiners.
 */
export function defuse(text: string): string {
  const safe = text.includes('[') ? text.replace(oldStyle, '# ') : text
  return newStyle.test(safe) ? `│ ${safe}` : safe
}

const weightless = String.raw`[\p{M}\p{Default_Ignorable_Code_Point}]*`
const oldStyle = new RegExp(`(?<=#${weightless})#(?=${weightless}\\[)`, 'gu')
const newStyle = /^[\s\p{M}\p{Default_Ignorable_Code_Point}]*:/u

export function bytes(text: string): number {
  return Buffer.byteLength(text)
}

/** The last whole lines that fit: what went wrong stands at the end of a log, not at its start. */
export function tail(text: string, limit: number): { readonly text: string; readonly dropped: number } {
  const end = text.trimEnd()
  const near = end.slice(-limit)
  const lines = new Lines().push(`${near}\n`)
  // Cut in the middle of a line: the fragment may be half a secret.
  if (near !== end) lines.shift()
  const kept: string[] = []
  let size = 0
  for (const each of lines.reverse()) {
    const shown = cut(clean(each.text).replaceAll('\n', ' ').trimEnd(), 2_000)
    size += bytes(shown) + 1
    if (size > limit) break
    kept.push(shown)
  }
  return { text: kept.reverse().join('\n'), dropped: end.split('\n').length - kept.length }
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

export function humanBytes(size: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let amount = size
  while (amount >= 1_024 && unit < units.length - 1) {
    amount /= 1_024
    unit += 1
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`
}
