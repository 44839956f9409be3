import { isUtf8 } from 'node:buffer'
import { createHash, hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DeployError } from '../errors.ts'
import type { Patterns } from './patterns.ts'

/** One file, folder or symbolic link of a tree. `line` says all that has to be the same for it to be unchanged. */
export interface Entry {
  readonly type: 'f' | 'd' | 'l'
  /** Relative to the root, with `/`. */
  readonly name: string
  readonly mode: number
  readonly size: number
  readonly line: string
  /** Of a symbolic link. */
  readonly target: string
}

/** Files up to this size are read at once; larger ones are streamed. */
const small = 4 * 1024 * 1024

/** Everything below `root` that is not excluded, sorted by bytes as `LC_ALL=C sort` does on the host. */
export async function scanSource(root: string, excluded: Patterns, signal?: AbortSignal): Promise<Entry[]> {
  const entries: Entry[] = []
  const folders = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal?.throwIfAborted()
    const names = await readdir(join(root, folder), { encoding: 'buffer' }).catch((cause: NodeJS.ErrnoException) => {
      throw unreadable(join(root, folder), cause)
    })
    const found = await Promise.all(
      names.map(async (raw) => {
        if (!isUtf8(raw)) throw notUtf8(join(folder, raw.toString('latin1')))
        const name = folder === '' ? raw.toString() : `${folder}/${raw.toString()}`
        return excluded.match(name) ? undefined : await readEntry(root, name)
      }),
    )
    for (const entry of found) {
      if (entry === undefined) continue
      entries.push(entry)
      if (entry.type === 'd') folders.push(entry.name)
    }
  }
  const keyed = entries.map((entry) => ({ entry, key: Buffer.from(entry.line) }))
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ entry }) => entry)
}

async function readEntry(root: string, name: string): Promise<Entry | undefined> {
  const file = join(root, name)
  try {
    const stat = await lstat(file)
    const mode = stat.mode & 0o777
    if (stat.isDirectory()) return entry('d', name, mode, 0, '-')
    if (stat.isSymbolicLink()) return entry('l', name, 0o777, 0, '-', await readlink(file))
    if (!stat.isFile()) return undefined // Sockets, pipes and devices cannot be deployed.
    const digest = stat.size <= small ? hash('sha256', await readFile(file), 'hex') : await hashLarge(file)
    return entry('f', name, mode, stat.size, digest)
  } catch (cause) {
    throw unreadable(file, cause as NodeJS.ErrnoException)
  }
}

async function hashLarge(file: string): Promise<string> {
  const digest = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), digest)
  return digest.digest('hex')
}

/**
 * The line of an entry, the same text that the host makes: type, mode, content, name. A name with a line break or a
 * backslash is escaped and its type in upper case; the target of a link stands behind `//`, which no name contains.
 */
export function entry(
  type: Entry['type'],
  name: string,
  mode: number,
  size: number,
  digest: string,
  target = '',
): Entry {
  const full = type === 'l' ? `${name}//${target}` : name
  const odd = /[\n\\]/.test(full)
  const shown = odd ? full.replaceAll('\\', '\\\\').replaceAll('\n', '\\n') : full
  const line = `${odd ? type.toUpperCase() : type} ${mode.toString(8)} ${digest} ${shown}`
  return { type, name, mode, size, line, target }
}

function unreadable(file: string, cause: NodeJS.ErrnoException): DeployError {
  return new DeployError('HD-SYNC-06', `${file} cannot be read on the runner.`, {
    why: `${cause.code ?? cause.message}.`,
    fix: 'Check `source`, and that the step that makes these files ran before this one.',
    cause,
  })
}

function notUtf8(name: string): DeployError {
  return new DeployError('HD-SYNC-07', `The file name ${JSON.stringify(name)} is not valid UTF-8.`, {
    fix: 'Rename the file, or name it in `exclude`.',
  })
}
