import { createReadStream, readFileSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip, gzipSync } from 'node:zlib'
import { type Pack, pack } from 'tar-stream'
import { DeployError } from '../errors.ts'
import type { Entry } from './manifest.ts'

const small = 1024 * 1024
const sampleSize = 128 * 1024
const piece = 64 * 1024
/** Files up to this size are read without a detour over other threads, which takes three times as long. */
const tiny = 64 * 1024

/** How far it is: entries that were packed, bytes that went out, and how much of all that is to be sent has been read. */
export interface Sent {
  readonly bytes: number
  readonly files: number
  readonly percent: number
}

/** Of an entry in the archive: its head and its content, each filling whole blocks. */
const blocks = (size: number): number => 512 + Math.ceil(size / 512) * 512

/** Sends the entries as one tar stream, never holding more than a piece of a file. Resolves with the bytes sent. */
export async function sendTar(
  root: string,
  entries: readonly Entry[],
  to: Writable,
  options: { compress: boolean; signal?: AbortSignal | undefined; onProgress: (sent: Sent) => void },
): Promise<number> {
  const archive = pack()
  const total = entries.reduce((sum, { size }) => sum + blocks(size), 0)
  let sent = 0
  let files = 0
  let read = 0
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sent += chunk.length
      options.onProgress({ bytes: sent, files, percent: Math.min(100, Math.floor((read / total) * 100)) })
      done(null, chunk)
    },
  })
  const count = (bytes: number) => {
    read += bytes
  }
  const source = Readable.from(archive, { objectMode: false })
  const stages = options.compress
    ? [source, gather(count), createGzip({ level: 1 }), meter, to]
    : [source, gather(count), meter, to]
  const flow = pipeline(stages, options.signal ? { signal: options.signal } : {})
  const feed = (async () => {
    for (const entry of entries) {
      await add(archive, root, entry)
      files += 1
    }
    archive.finalize()
  })()
  feed.catch((error: Error) => archive.destroy(error))
  // The one that failed first has the reason: a receiver that went away, or a file that could not be read.
  await Promise.all([feed, flow])
  return sent
}

/** Pieces of a useful size: a small file is three of them, and compressing or encrypting each alone costs more than its bytes. */
function gather(count: (bytes: number) => void): Transform {
  let parts: Buffer[] = []
  let length = 0
  const take = () => {
    const whole = Buffer.concat(parts, length)
    parts = []
    length = 0
    return whole
  }
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      parts.push(chunk)
      length += chunk.length
      count(chunk.length)
      if (length < piece) done()
      else done(null, take())
    },
    flush(done) {
      done(null, take())
    },
  })
}

async function add(archive: Pack, root: string, { type, name, mode, size, target }: Entry): Promise<void> {
  // The time of the change is that of the deploy: an old time could make Python trust bytecode of another version.
  const header = { name, mode, mtime: new Date() }
  if (type === 'd') archive.entry({ ...header, type: 'directory' })
  else if (type === 'l') archive.entry({ ...header, type: 'symlink', linkname: target })
  else if (size <= small) {
    const content = size <= tiny ? readFileSync(join(root, name)) : await readFile(join(root, name))
    if (content.length !== size) throw changed(name)
    await new Promise<void>((resolve, reject) => {
      archive.entry({ ...header, size }, content, (error) => (error ? reject(error) : resolve()))
    })
  } else {
    const sink = archive.entry({ ...header, size })
    await pipeline(createReadStream(join(root, name), { highWaterMark: 1 << 18, end: size - 1 }), sink).catch(
      (cause: Error) => {
        throw /size mismatch/i.test(cause.message) ? changed(name) : cause
      },
    )
  }
}

function changed(name: string): DeployError {
  return new DeployError('HD-SYNC-06', `${name} changed while it was being sent.`, {
    fix: 'Let no other step write into `source` during the deploy.',
  })
}

/** Whether compressing pays: a sample of the largest files says so. Images, archives and wheels do not shrink. */
export async function worthCompressing(root: string, entries: readonly Entry[]): Promise<boolean> {
  const largest = entries
    .filter(({ type }) => type === 'f')
    .toSorted((a, b) => b.size - a.size)
    .slice(0, 4)
  const pieces = await Promise.all(
    largest.map(async ({ name, size }) => {
      await using file = await open(join(root, name))
      const buffer = Buffer.alloc(Math.min(size, sampleSize))
      await file.read(buffer, 0, buffer.length, 0)
      return buffer
    }),
  )
  const sample = Buffer.concat(pieces)
  return sample.length > 0 && gzipSync(sample, { level: 1 }).length < sample.length * 0.8
}
