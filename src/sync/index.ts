import { DeployError } from '../errors.ts'
import type { Facts } from '../remote/facts.ts'
import type { Host, Pipe } from '../remote/host.ts'
import { quote } from '../shell.ts'
import {
  compareTrees,
  type Difference,
  refuseHalf,
  transferFailed,
  wantedFromRunner,
  wantedFromTree,
} from './compare.ts'
import { findCommit, sendCommit } from './git.ts'
import { type Entry, scanSource } from './manifest.ts'
import type { SyncMethod, SyncOptions } from './options.ts'
import { sendRsync } from './rsync.ts'
import { excludedBy, type Places } from './script.ts'
import { sendTar, worthCompressing } from './tar.ts'

/** What has to be known of the source before a host is asked; read while the connection is being made. */
export type Source =
  | { readonly method: 'tree'; readonly root: string; readonly entries: readonly Entry[] }
  | { readonly method: 'commit'; readonly commit: Awaited<ReturnType<typeof findCommit>> }

export async function readSource(options: SyncOptions, signal?: AbortSignal): Promise<Source> {
  if (options.method === 'git') return { method: 'commit', commit: await findCommit(options.source, options.commit) }
  return {
    method: 'tree',
    root: options.source,
    entries: await scanSource(options.source, excludedBy(options), signal),
  }
}

export interface Staged extends Difference {
  readonly bytesSent: number
  /** How the bytes travelled: `tar`, `rsync`, `git`; empty when none did. */
  readonly by: string
}

/**
 * From this many bytes of changed files that the host has in an older form, rsync's deltas are worth their start.
 * With one percent of a file changed (`npm run bench -- --sync`) rsync lost by 0.1 to 0.4 s up to 16 MB, and won from
 * 64 MB on, on a line without any limit. A line of 200 Mbit/s, slow enough for a home, needs 0.3 s for these 8 MiB.
 */
const worthDeltas = 8 * 1024 * 1024

export interface StageContext {
  readonly temp: string
  /** Shell that begins the release; it comes along with the comparison. */
  readonly first: string
  readonly signal?: AbortSignal | undefined
  readonly onProgress: (text: string) => void
}

/** Makes the tree of the release complete on the host, beside the live one, which stays as it is. */
export async function stage(
  host: Host,
  facts: Facts,
  places: Places,
  options: SyncOptions,
  source: Source,
  context: StageContext,
): Promise<Staged> {
  if (source.method === 'commit') {
    const bytesSent = await sendCommit(host, places, source.commit, context)
    const difference = await compareTrees(host, { ...places, previous: '' }, options, wantedFromTree, context.first)
    return { ...difference, bytesSent, by: 'git' }
  }
  await using receiver = openReceiver(host, places, options.method)
  const difference = await compareTrees(host, places, options, wantedFromRunner(source.entries, options), context.first)
  const entries = difference.need.flatMap((line) => source.entries[line - 1] ?? [])
  if (entries.length === 0) return { ...difference, bytesSent: 0, by: '' }
  const tooLarge = lackOfSpace(host, facts, entries)
  if (tooLarge !== undefined) throw tooLarge
  const by = choose(options.method, facts, entries, difference)
  const bytesSent =
    by === 'rsync'
      ? await sendRsync(host, places, source.root, entries, context)
      : await sendByTar(host, await receiver.open(), source.root, entries, context)
  return { ...difference, bytesSent, by }
}

function choose(method: SyncMethod, facts: Facts, entries: readonly Entry[], { changed }: Difference): 'rsync' | 'tar' {
  if (method === 'rsync') return 'rsync'
  if (method === 'tar' || !facts.tools['rsync']) return 'tar'
  const names = new Set(changed)
  const deltas = entries.reduce((sum, { name, size }) => (names.has(name) ? sum + size : sum), 0)
  return deltas >= worthDeltas ? 'rsync' : 'tar'
}

interface Receiver extends AsyncDisposable {
  open(): Promise<Pipe>
}

/**
 * The tar that unpacks on the host, on a channel opened while the host still compares: that hides its round trip. Until
 * its first line, which says how the archive is packed, it is a shell that waits.
 */
function openReceiver(host: Host, places: Places, method: SyncMethod): Receiver {
  const open = () => host.pipe(`IFS= read -r z && exec tar -xpo"$z"f - -C ${quote(`${places.release}/tree`)}`)
  const early = method === 'rsync' ? undefined : open()
  early?.catch(() => {})
  let used = false
  return {
    async open() {
      used = true
      return await (early ?? open())
    },
    async [Symbol.asyncDispose]() {
      if (!used) await early?.then((pipe) => pipe.close()).catch(() => {})
    },
  }
}

export async function sendByTar(
  host: Host,
  pipe: Pipe,
  root: string,
  entries: readonly Entry[],
  context: { signal?: AbortSignal | undefined; onProgress: (text: string) => void },
): Promise<number> {
  const compress = await worthCompressing(root, entries)
  let said = ''
  pipe.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_000)
  })
  pipe.stdout.resume()
  pipe.stdin.write(compress ? 'z\n' : '\n')
  const sending = sendTar(root, entries, pipe.stdin, {
    compress,
    signal: context.signal,
    onProgress: ({ bytes, files, percent }) => {
      context.onProgress(`${files} of ${entries.length} files (${percent} %), ${(bytes / 1e6).toFixed(1)} MB sent`)
    },
  })
  const [sent, code] = await Promise.allSettled([sending, pipe.exit])
  refuseHalf(host, context.signal)
  if (code.status === 'fulfilled' && code.value !== 0)
    throw transferFailed(host, 'tar failed on the host.', said.trim(), sent)
  // The sending breaks off in many ways when the receiver is gone; why that is, the receiver knows.
  if (sent.status === 'rejected' && (code.status === 'fulfilled' || sent.reason instanceof DeployError))
    throw sent.reason
  if (code.status === 'rejected') throw code.reason
  return sent.status === 'fulfilled' ? sent.value : 0
}

/** Two copies: one kept as the release, one at `path`. */
export function lackOfSpace(host: Host, { path }: Facts, entries: readonly Entry[]): DeployError | undefined {
  const wanted = Math.ceil(entries.reduce((sum, { size }) => sum + size + 512, 0) / 1024)
  if (wanted * 2 <= path.freeKiB && wanted <= path.stateFreeKiB && entries.length * 2 <= path.freeInodes)
    return undefined
  return new DeployError('HD-DISK-01', `${host.name} has not enough space for this release.`, {
    why: `It needs ${size(wanted * 2)}: ${size(wanted)} in ${entries.length} new entries, once for the release and once at \`path\`. There are ${size(path.freeKiB)} and ${path.freeInodes} inodes free there, and ${size(path.stateFreeKiB)} in the state directory.`,
    fix: 'Free some space (`df -h`, `df -i`), lower `keep`, or exclude what need not be sent. What runs was not touched.',
  })
}

const size = (kib: number): string => (kib < 10_240 ? `${kib} KiB` : `${Math.round(kib / 1024)} MiB`)
