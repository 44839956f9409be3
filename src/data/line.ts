import { posix } from 'node:path'

export type Kind = 'tar' | 'sqlite' | 'postgres'

/** One line of `backup`, as it was understood. */
export interface Backup {
  readonly kind: Kind
  /** Paths, or the name of a database. A relative path is relative to `path`. */
  readonly of: readonly string[]
  /** How many of each stay. */
  readonly keep: number
  /** Who reads and writes the data; empty is who deploys. */
  readonly as: string
}

const kinds = 'it is none of `tar: PATH…`, `sqlite: FILE`, `postgres: DB`'
const usualKeep = 7

interface Word {
  readonly text: string
  readonly quoted: boolean
}

/** One line of `backup`; a string says what is wrong with it. */
export function parseBackup(line: string): Backup | string {
  const [, kind = '', rest = ''] = /^\s*(tar|sqlite|postgres):(.*)$/s.exec(line) ?? []
  if (kind === '') return kinds
  const words = split(rest)
  if (typeof words === 'string') return words
  const isOption = ({ text, quoted }: Word) => !quoted && /^[A-Za-z]+=/.test(text)
  const first = words.findIndex(isOption)
  const names = first < 0 ? words : words.slice(0, first)
  const options = first < 0 ? [] : words.slice(first)
  const stray = options.find((word) => !isOption(word))
  if (stray !== undefined) return `${stray.text} stands behind the options; \`keep=\` and \`as=\` come last`
  const of = names.map(({ text }) => text)
  const problem = kind === 'postgres' ? database(of) : paths(kind as Kind, of)
  if (problem !== undefined) return problem
  const read = readOptions(options.map(({ text }) => text))
  return typeof read === 'string' ? read : { kind: kind as Kind, of: of.map(tidy(kind as Kind)), ...read }
}

const tidy = (kind: Kind) => (name: string) =>
  kind === 'postgres' ? name : posix.normalize(name).replace(/(?<=.)\/$/, '')

function readOptions(options: readonly string[]): Pick<Backup, 'keep' | 'as'> | string {
  const given = new Map<string, string>()
  for (const option of options) {
    const at = option.indexOf('=')
    const key = option.slice(0, at)
    if (key !== 'keep' && key !== 'as')
      return `it has no option \`${key}\`; there are keep and as (put a name that holds \`=\` in quotes)`
    if (given.has(key)) return `\`${key}=\` is given twice`
    given.set(key, option.slice(at + 1))
  }
  const { keep = String(usualKeep), as = '' } = Object.fromEntries(given)
  if (!/^[1-9]\d{0,3}$/.test(keep)) return '`keep` is a whole number from 1 to 9999'
  if (given.has('as') && !/^[A-Za-z_][\w.-]{0,31}$/.test(as)) return '`as` is the name of a user'
  return { keep: Number(keep), as }
}

function paths(kind: Kind, of: readonly string[]): string | undefined {
  if (of.length === 0) return 'it names nothing'
  if (kind === 'sqlite' && of.length > 1)
    return 'it names one FILE; write a line for each, and quote a name with spaces'
  for (const path of of) {
    const shape = 'write it absolute or relative to `path`'
    if (path.startsWith('-')) return 'a path cannot begin with -'
    if (/\p{Cc}/u.test(path)) return 'a path cannot hold a control character'
    if (path === '~' || path.startsWith('~/')) return `\`~\` is not known here: ${shape}`
    if (path.split('/').includes('..')) return `a path cannot hold \`..\`: ${shape}`
    if (path === '' || posix.normalize(path) === './' || posix.normalize(path) === '.')
      return 'that is the tree itself, of which releases are kept anyway; name the data in it'
  }
  return undefined
}

/** What `psql` would take for an address is refused: it could hold a password, which would be seen in the list of processes. */
function database([name = '', ...more]: readonly string[]): string | undefined {
  if (name === '') return 'it names nothing'
  if (more.length > 0) return 'it names one DB; write a line for each, and quote a name with spaces'
  if (name.startsWith('-')) return 'a database cannot begin with -'
  if (/\p{Cc}/u.test(name) || Buffer.byteLength(name) > 63) return 'that is no name of a database'
  return /=|:\/\//.test(name)
    ? 'write the name of the database alone; ~/.pgpass of the user holds passwords'
    : undefined
}

/** Words as in a shell, as far as quotes go: `'…'` and `"…"` hold spaces; there are no escapes. */
function split(text: string): Word[] | string {
  const words: Word[] = []
  const pattern = /\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))(?=\s|$)/y
  for (pattern.lastIndex = 0; text.slice(pattern.lastIndex).trim() !== ''; ) {
    const found = pattern.exec(text)
    if (found === null) return 'a quote has no partner, or stands within a word'
    const [, double, single, plain] = found
    words.push({ text: double ?? single ?? plain ?? '', quoted: plain === undefined })
  }
  return words
}
