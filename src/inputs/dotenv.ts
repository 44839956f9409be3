import { parseEnv } from 'node:util'
import type { Refuse } from './form.ts'

interface Entry {
  readonly key: string
  readonly value: string
  readonly line: number
}

interface Fault {
  readonly line: number
  readonly what: string
}

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=[^\S\n]*([\s\S]*)$/

/** Reads dotenv text line by line, because a message has to name the line: `parseEnv` of Node drops what it cannot read. */
export function parseDotenv(text: string): { entries: Entry[]; faults: Fault[] } {
  const lines = text.split(/\r\n?|\n/)
  const entries: Entry[] = []
  const faults: Fault[] = []
  for (let at = 0; at < lines.length; at++) {
    const line = at + 1
    const content = lines[at] ?? ''
    if (/^\s*(#|$)/.test(content)) continue
    const [, key = '', rest = ''] = assignment.exec(content) ?? []
    if (key === '') {
      faults.push({ line, what: content.includes('=') ? 'does not begin with a variable name' : 'has no `=`' })
    } else if (/^["'`]/.test(rest)) {
      const quoted = readQuoted([rest, ...lines.slice(at + 1)])
      if (typeof quoted === 'string') faults.push({ line, what: quoted })
      else {
        entries.push({ key, value: quoted.value, line })
        at += quoted.more
      }
    } else {
      entries.push({ key, value: rest.replace(/\s+#.*$/, '').trim(), line })
    }
  }
  return { entries, faults }
}

/** A value in quotes, which may go on for more lines; or what is wrong with it. */
function readQuoted(lines: readonly string[]): { value: string; more: number } | string {
  const text = lines.join('\n')
  const quote = text[0] ?? ''
  const inside = quote === '"' ? /^"((?:\\[\s\S]|[^"\\])*)"/ : new RegExp(`^${quote}([^${quote}]*)${quote}`)
  const found = inside.exec(text)
  if (found === null) return 'opens a quote that is never closed'
  const [whole, value = ''] = found
  const after = text.slice(whole.length).split('\n')[0] ?? ''
  if (!/^\s*(#.*)?$/.test(after)) return 'opens a quote that closes in the middle of a line'
  return { value, more: whole.split('\n').length - 1 }
}

/** `env-file`: checked, with one line break at the end and none of Windows'. Values never appear in a message. */
export function readDotenv(text: string, refuse: Refuse): string | undefined {
  const { faults } = parseDotenv(text)
  for (const { line, what } of faults) {
    refuse(`line ${line} ${what}`, 'Write `NAME=value`; a value with spaces or `#` in quotes.')
  }
  return faults.length > 0 ? undefined : `${text.replace(/\r\n?/g, '\n').trimEnd()}\n`
}

/** Every value, in each way a program may read it: with and without escapes, with and without a `#` in it. */
export function dotenvValues(text: string): string[] {
  const values = parseDotenv(text).entries.flatMap(({ value }) => [
    value,
    value.replace(/\\n/g, '\n').replace(/\\(["\\$`])/g, '$1'),
  ])
  const read = Object.values(parseEnv(text.replace(/\r\n?/g, '\n')))
  return [...new Set([...values, ...read.filter((value) => value !== undefined)])]
}
