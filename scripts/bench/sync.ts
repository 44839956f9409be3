import { randomBytes } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DelayProxy } from '../../__tests__/helpers/delay-proxy.ts'
import { ours, type Site } from './candidates.ts'
import type { SyncSample } from './report.ts'
import { Checkout } from './work.ts'

interface Work {
  readonly name: string
  fill(tree: Checkout): Promise<void>
  change(tree: Checkout): Promise<void>
}

const works: readonly Work[] = [
  {
    name: '10 of 1,000 files of 4 KiB',
    fill: (tree) => tree.fill(1_000, 4_096),
    change: (tree) => tree.change(10, 4_096),
  },
  {
    name: '500 of 10,000 files of 4 KiB',
    fill: (tree) => tree.fill(10_000, 4_096),
    change: (tree) => tree.change(500, 4_096),
  },
  ...[16, 64, 200].map((size) => ({
    name: `1 % of one file of ${size} MB`,
    fill: (tree: Checkout) => writeLarge(tree, size),
    change: (tree: Checkout) => changeLarge(tree, size),
  })),
]

/** `sync: tar` against `sync: rsync`, as parts of whole deploys in which everything else is the same. */
export async function measureSync(
  site: Site,
  proxy: DelayProxy,
  { runs, roundTrips }: { runs: number; roundTrips: readonly number[] },
): Promise<SyncSample[]> {
  const samples: SyncSample[] = []
  for (const work of works) {
    const tree = new Checkout(join(site.folder, 'trees', work.name.replace(/\W+/g, '-')))
    await work.fill(tree)
    const methods = ['tar', 'rsync'].map((sync) => ({
      sync,
      candidate: ours(`sync ${sync}`, { sync, prepare: '', activate: 'true', 'connect-timeout': '20s' }),
    }))
    const here = { ...site, source: tree.root }
    proxy.delayMs = 0
    for (const { candidate } of methods) await candidate.deploy(here)
    for (let round = 0; round < runs; round++) {
      for (const rtt of roundTrips) {
        proxy.delayMs = rtt / 2
        await work.change(tree)
        await tree.refresh()
        for (const { sync, candidate } of round % 2 ? methods.toReversed() : methods) {
          proxy.reset()
          const ms = await candidate.deploy(here)
          samples.push({ work: work.name, method: sync, rtt, ms, bytesUp: proxy.traffic.bytesUp })
        }
      }
    }
    for (const { candidate } of methods) await candidate.forget(here)
    await rm(tree.root, { recursive: true })
    process.stderr.write(`${work.name}\n`)
  }
  return samples
}

const megabyte = 1_000_000

async function writeLarge(tree: Checkout, megabytes: number): Promise<void> {
  await tree.fill(1, 4_096)
  await using file = await open(join(tree.root, 'large'), 'w')
  for (let n = 0; n < megabytes; n++) await file.write(randomBytes(megabyte))
}

/** One percent of the bytes: a piece at the beginning of every megabyte. */
async function changeLarge(tree: Checkout, megabytes: number): Promise<void> {
  await using file = await open(join(tree.root, 'large'), 'r+')
  for (let n = 0; n < megabytes; n++) await file.write(randomBytes(megabyte / 100), 0, megabyte / 100, n * megabyte)
}
