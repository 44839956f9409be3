import { isUtf8 } from 'node:buffer'
import { createHash, hash } from 'node:crypto'
import { createReadStream, lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setImmediate as others } from 'node:timers/promises'
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

/** Files up to this size are read without a detour over other threads, which takes three times as long. */
const tiny = 64 * 1024
/** Files up to this size are read at once; larger ones are streamed. */
const small = 4 * 1024 * 1024
/** Milliseconds until the connection that is being made meanwhile gets its turn. */
const slice = 4

/** Everything below `root` that is not excluded, sorted by bytes as `LC_ALL=C sort` does on the host. */
export async function scanSource(root: string, excluded: Patterns, signal?: AbortSignal): Promise<Entry[]> {
  const entries: Entry[] = []
  const folders = ['']
  let since = performance.now()
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal?.throwIfAborted()
    const names = await readdir(join(root, folder), { encoding: 'buffer' }).catch((cause: NodeJS.ErrnoException) => {
      throw unreadable(join(root, folder), cause)
    })
    const found: (Entry | undefined | Promise<Entry>)[] = []
    for (const raw of names) {
      if (!isUtf8(raw)) throw notUtf8(join(folder, raw.toString('latin1')))
      const name = folder === '' ? raw.toString() : `${folder}/${raw.toString()}`
      if (excluded.match(name)) continue
      const entry = readEntry(root, name)
      if (entry instanceof Promise) entry.catch(() => {})
      found.push(entry)
      if (performance.now() - since < slice) continue
      await others()
      since = performance.now()
    }
    for (const entry of await Promise.all(found)) {
      if (entry === undefined) continue
      entries.push(entry)
      if (entry.type === 'd') folders.push(entry.name)
    }
  }
  const keyed = entries.map((entry) => ({ entry, key: Buffer.from(entry.line) }))
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ entry }) => entry)
}

function readEntry(root: string, name: string): Entry | undefined | Promise<Entry> {
  const file = join(root, name)
  const failed = (cause: unknown) => {
    throw unreadable(file, cause as NodeJS.ErrnoException)
  }
  try {
    const stat = lstatSync(file)
    const mode = stat.mode & 0o777
    if (stat.isDirectory()) return entry('d', name, mode, 0, '-')
    if (stat.isSymbolicLink()) return entry('l', name, 0o777, 0, '-', readlinkSync(file))
    if (!stat.isFile()) return undefined // Sockets, pipes and devices cannot be deployed.
    const asFile = (digest: string) => entry('f', name, mode, stat.size, digest)
    if (stat.size <= tiny) return asFile(sha256(readFileSync(file)))
    return (stat.size <= small ? readFile(file).then(sha256) : hashLarge(file)).then(asFile, failed)
  } catch (cause) {
    return failed(cause)
  }
}

function sha256(content: Buffer): string {
  return hash('sha256', content, 'hex')
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
