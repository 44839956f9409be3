import { constants, createWriteStream } from 'node:fs'
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import tar from 'tar-stream'
import { DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { BinarySource } from './options.ts'
import { download, flawOf, latestVersion, type Package, packageOf } from './package.ts'

const programs = ['tailscale', 'tailscaled']

/** A folder that holds both programs: that of the user, or `into`, where they are unpacked. */
export async function findPrograms(source: BinarySource, into: string, context: BinaryContext): Promise<string> {
  if ('folder' in source) return await ownFolder(source.folder)
  const { mirror, cache } = source
  const version = source.version === 'latest' ? await latestVersion(mirror, context.signal) : source.version
  await obtain(packageOf(version, mirror), cache, into, context)
  return into
}

interface BinaryContext {
  readonly log: Log
  readonly signal?: AbortSignal | undefined
}

/**
 * What was downloaded once is kept as the package it came in, and judged anew each time: whoever can write to the cache
 * of a runner cannot make us run what Tailscale did not make.
 */
export async function obtain(
  wanted: Package,
  cache: string,
  into: string,
  { log, signal }: BinaryContext,
): Promise<void> {
  const { version, name, folder, digest } = wanted
  const place = join(cache, 'homelab-deploy-tailscale', version, name)
  const kept = await readKept(place)
  const flaw = kept && flawOf(wanted, kept)
  if (kept && flaw === undefined) {
    await unpack(wanted, kept, into)
    log.info(`Tailscale ${version}, from the cache of the runner, verified`)
    return
  }
  if (flaw !== undefined)
    log.warning(`What the cache of the runner holds as Tailscale ${version} is not used: ${flaw}.`)
  const files = await download(wanted, signal)
  const wrong = flawOf(wanted, files)
  if (wrong !== undefined) throw notTheirs(wanted, wrong)
  await unpack(wanted, files, into)
  log.info(`Tailscale ${version}, from ${folder}, verified by its ${digest ? 'digest' : 'signature'}`)
  // A cache that cannot be written is a pity and no more.
  await keep(place, files).catch((error: Error) => log.info(`Not kept for the next run: ${error.message}`))
}

async function ownFolder(folder: string): Promise<string> {
  for (const program of programs) {
    await access(join(folder, program), constants.X_OK).catch((cause) => {
      throw new DeployError('HD-TAILNET-02', `${join(folder, program)} is not a program that can be run.`, {
        fix: '`tailnet-binary` is a folder on the runner that holds `tailscale` and `tailscaled`.',
        cause,
      })
    })
  }
  return folder
}

/** Undefined when nothing was kept. */
async function readKept(place: string): Promise<Map<string, Buffer> | undefined> {
  const names = await readFile(join(place, 'files'), 'utf8').catch(() => '')
  const read = names
    .split('\n')
    .filter(Boolean)
    .map(async (name) => [name, await readFile(join(place, name))] as const)
  const files = await Promise.all(read).catch(() => [])
  return files.length === 0 ? undefined : new Map(files)
}

/** Made beside its place and moved there: a run that is killed here leaves nothing that looks whole. */
async function keep(place: string, files: ReadonlyMap<string, Buffer>): Promise<void> {
  const draft = `${place}.${process.pid}`
  try {
    await mkdir(draft, { recursive: true })
    for (const [name, content] of files) await writeFile(join(draft, name), content)
    await writeFile(join(draft, 'files'), [...files.keys()].join('\n'))
    await rm(place, { recursive: true, force: true })
    await rename(draft, place)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function unpack({ name }: Package, files: ReadonlyMap<string, Buffer>, into: string): Promise<void> {
  const extract = tar.extract()
  const done = pipeline(Readable.from([files.get(name)]), createGunzip(), extract)
  done.catch(() => {})
  for await (const entry of extract) {
    const program = programs.find((each) => entry.header.type === 'file' && entry.header.name.endsWith(`/${each}`))
    if (program === undefined) entry.resume()
    else await pipeline(entry, createWriteStream(join(into, program), { mode: 0o755 }))
  }
  await done
  await ownFolder(into)
}

function notTheirs({ name, folder }: Package, flaw: string): DeployError {
  return new DeployError('HD-TAILNET-02', `${name} is not what Tailscale published, so it was not run.`, {
    why: `It came from ${folder}; ${flaw}.`,
    fix: 'Check `tailnet-mirror` and any proxy in between. Very old versions bear no signature that can be checked: use a newer one.',
  })
}
