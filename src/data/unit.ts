import { createHash } from 'node:crypto'
import { quote } from '../shell.ts'
import { type Backup, type Kind, parseBackup } from './line.ts'

/** One thing that is backed up by itself: a path, a file, a database. */
export interface Unit {
  readonly kind: Kind
  /** An absolute path, or the name of a database. */
  readonly of: string
  readonly as: string
  readonly keep: number
  /** The folder of its backups. It stays the same whatever else changes in its line. */
  readonly folder: string
}

const suffixes: Readonly<Record<Kind, string>> = { tar: 'tar.gz', sqlite: 'sqlite', postgres: 'pgdump' }

/** All that the lines of `backup` name. They were checked before; the record of a release holds only checked ones. */
export function unitsOf(lines: readonly string[], path: string): Unit[] {
  const parsed = lines.map(parseBackup).filter((line): line is Backup => typeof line !== 'string')
  const units = parsed.flatMap(({ kind, of, as, keep }) =>
    of.map((name) => {
      const whole = kind === 'postgres' || name.startsWith('/') ? name : `${path}/${name}`
      return { kind, of: whole, as, keep, folder: folderOf(kind, whole) }
    }),
  )
  return [...new Map(units.map((unit) => [unit.folder, unit])).values()]
}

/** Says what it is, is safe as a name, and is that of nothing else: `tar-data-1f2e3d4c`. */
function folderOf(kind: Kind, of: string): string {
  const word = (of.split('/').at(-1) ?? '').replaceAll(/[^A-Za-z0-9._]+/g, '-').slice(0, 40)
  const digest = createHash('sha256').update(`${kind}:${of}`).digest('hex').slice(0, 8)
  return [kind, word, digest].filter(Boolean).join('-')
}

/** Shell: `hd_units FUNCTION` calls it for each with number, kind, what, as whom, folder, suffix and how many to keep. */
export function unitsScript(units: readonly Unit[]): string {
  const calls = units.map(({ kind, of, as, folder, keep }, index) => {
    const words = [String(index), kind, of, as, folder, suffixes[kind], String(keep)].map(quote)
    return `  "$1" ${words.join(' ')} || return 1\n`
  })
  return `hd_units() {\n${calls.join('')}  :\n}\n`
}
