// `npm run bench`: whole deploys against a real sshd on loopback, ours beside what people use, in the same run.
//
//   --json FILE     the numbers, with every single run
//   --runs N        rounds (default 7); candidates take turns within a round, so that a busy moment meets them all
//   --rtt 0,40      round trips in milliseconds
//   --only TEXT     candidates whose name holds one of these words, split by commas
//   --against FILE  another build of the action (its index.js), as one more candidate
//   --sync          the ways to send files against each other instead
//
// Ratios carry over to other machines, seconds do not. The proxy cannot delay a TCP handshake, so every connection
// is spared one round trip: that flatters whoever opens more of them.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startDelayProxy } from '../__tests__/helpers/delay-proxy.ts'
import { startOpensshHost } from '../__tests__/helpers/openssh-host.ts'
import { scratch } from '../__tests__/helpers/scratch.ts'
import { median } from '../src/report/median.ts'
import { type Candidate, ours, rivals, type Site } from './bench/candidates.ts'
import { type Sample, syncTable, table } from './bench/report.ts'
import { measureSync } from './bench/sync.ts'
import { Checkout } from './bench/work.ts'

const { values: args } = parseArgs({
  options: {
    json: { type: 'string' },
    runs: { type: 'string', default: '7' },
    rtt: { type: 'string', default: '0,40' },
    only: { type: 'string', default: '' },
    sync: { type: 'boolean', default: false },
    against: { type: 'string' },
  },
})
const runs = Number(args.runs)
const roundTrips = args.rtt.split(',').map(Number)
const phases = ['cold', '10 changed', 'nothing changed'] as const

await using folder = await scratch('bench')
await using host = await startOpensshHost({ config: ['Subsystem sftp internal-sftp'] })
if (host === undefined) throw new Error('The benchmark needs sshd.')
await using proxy = await startDelayProxy({ host: host.address, port: host.port })
const source = new Checkout(join(folder.path, 'source'))
const site: Site = { host, address: proxy.host, port: proxy.port, source: source.root, folder: folder.path }
mkdirSync(source.root)
writeFileSync(join(folder.path, 'key'), host.clientKey.private, { mode: 0o600 })
writeFileSync(join(folder.path, 'known_hosts'), `${host.hostKey.line(proxy.host, proxy.port)}\n`)

if (args.sync) {
  const results = await measureSync(site, proxy, { runs, roundTrips })
  if (args.json) writeFileSync(args.json, JSON.stringify(results, null, 2))
  console.log(syncTable(results))
} else {
  const samples = await measureDeploys()
  for (const rtt of roundTrips) console.log(table(samples, phases, rtt))
}

async function measureDeploys(): Promise<Sample[]> {
  await source.fill(1_000, 4_096)
  const samples: Sample[] = []
  const add = async (candidate: Candidate, phase: string, rtt: number) => {
    await source.refresh()
    // Nobody waits for the disk because of what somebody else has written.
    execFileSync('sync')
    proxy.reset()
    const ms = await candidate.deploy(site)
    samples.push({ candidate: candidate.name, phase, rtt, ms, ...proxy.traffic })
  }
  for (let round = 0; round < runs; round++) {
    for (const rtt of roundTrips) {
      proxy.delayMs = rtt / 2
      const present = rotate(
        chosen().filter(({ loopbackOnly }) => !loopbackOnly || (rtt === 0 && round === 0)),
        round,
      )
      for (const candidate of present) {
        await candidate.forget(site)
        await add(candidate, 'cold', rtt)
      }
      await source.change(10, 4_096)
      for (const candidate of present) await add(candidate, '10 changed', rtt)
      for (const candidate of present) await add(candidate, 'nothing changed', rtt)
    }
    // After every round: a run that is ended early has measured something too.
    if (args.json) writeFileSync(args.json, JSON.stringify(samples, null, 2))
    process.stderr.write(`round ${round + 1} of ${runs}: ours ${summary(samples)}\n`)
  }
  return samples
}

function chosen(): Candidate[] {
  const words = args.only.split(',')
  const others = args.against === undefined ? [] : [ours('the other dist', {}, args.against)]
  const all = [ours('homelab-deploy'), ours('homelab-deploy, force', { force: 'true' }), ...others, ...rivals]
  return all.filter(({ name }) => words.some((word) => name.includes(word)))
}

function rotate<T>(list: readonly T[], by: number): T[] {
  const at = by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}

function summary(samples: readonly Sample[]): string {
  const [first] = samples
  return roundTrips
    .flatMap((rtt) => phases.map((phase) => ({ rtt, phase })))
    .map(({ rtt, phase }) =>
      median(
        samples
          .filter((one) => one.candidate === first?.candidate && one.rtt === rtt && one.phase === phase)
          .map(({ ms }) => ms),
      ).toFixed(0),
    )
    .join(' / ')
}
