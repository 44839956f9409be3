import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Ending,
  ended,
  endings,
  endsOf,
  expectTruth,
  moments,
  releasing,
  Steps,
  type Way,
  ways,
} from '../helpers/endings.ts'
import { type RunOptions, type RunResult, startAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { labHost } from './host.ts'
import { Service } from './service.ts'

/**
 * Every step of a deploy × as it begins, in its middle, when it has ended × every way to end a run from outside. The
 * host is in the old version or in the new one, all of it, nothing is left there or on the runner, and neither main nor
 * post said anything else. `npm run lab -- cancel` meets them all, `npm run lab` a third.
 */
const steps = [
  ...['Connect', 'Read facts', 'Take the lock', 'Settle the deploy before', 'Before', 'Compare and send', 'Look ahead'],
  ...[
    'Look at its health before',
    'Back up',
    'Switch over',
    'Prepare',
    'Migrate',
    'Activate',
    'Check health',
    'Confirm',
    'After',
  ],
  releasing,
]
const met = endings(steps, process.env['HOMELAB_FAULTS'] === 'all' ? 1 : 3)

/** Fast, so that there can be many, and yet each command has a middle. */
const talk = (name: string, work = ':') => `echo ${name} begins; ${work}; sleep 0.4; echo ${name} ends`
const inputs = {
  backup: 'tar: /etc/hostname',
  before: talk('before'),
  prepare: talk('prepare'),
  migrate: talk('migrate'),
  after: talk('after'),
  'health-timeout': '10s',
  'health-stable': '1s',
  'confirm-timeout': '20s',
  'lock-timeout': '3m',
}

/** A host, and what runs there when nobody deploys. */
class Site implements AsyncDisposable {
  readonly app: Service
  readonly #host: Awaited<ReturnType<typeof labHost>>
  readonly #inputs: Record<string, string>
  #quiet = new Set<string>()
  #version = 0

  private constructor(host: Awaited<ReturnType<typeof labHost>>, sudo: string) {
    this.#host = host
    this.app = new Service(host, '/srv/app', host.user === 'root' || sudo === 'always')
    const restart = host.user === 'root' ? 'systemctl restart app' : 'sudo -n systemctl restart app'
    this.#inputs = { ...inputs, sudo, activate: talk('activate', restart) }
  }

  static async create(user: 'root' | 'deploy', sudo = 'auto'): Promise<Site> {
    const site = new Site(await labHost({ user }), sudo)
    await site.app.install()
    const { outputs, maskedLog } = await site.plain()
    expect(outputs['result'], maskedLog).toBe('deployed')
    site.#quiet = new Set(await site.#processes())
    return site
  }

  request(options: Partial<RunOptions> = {}) {
    return this.app.request({ version: `v${++this.#version}`, inputs: this.#inputs, options })
  }

  async plain(onLine?: RunOptions['onLine']): Promise<RunResult> {
    await using request = await this.request(onLine && { onLine })
    return await startAction(request).finished
  }

  get version(): string {
    return `v${this.#version}`
  }

  /** A deploy that nobody ends: its runner and its guard were killed together, and then the host was left alone. */
  async abandoned(): Promise<void> {
    await using request = await this.request({ killWhen: /activate begins/ })
    const run = startAction(request)
    const { state } = this.app
    await run.line(/activate begins/)
    // Whatever on this host would end it: the guard, and the lease that guards the guard.
    await this.#host.sh(`kill -KILL $(cat ${state}/work/pid); pkill -KILL -f 'guarded[(]'; true`)
    await run.finished
    await this.#host.sh(
      `pkill -KILL -f 'guarded[(]'; touch -d '5 minutes ago' ${state}/lock/lease; ls ${state}/pending.json`,
    )
  }

  async #processes(): Promise<string[]> {
    const list = await this.#host.sh('ps -eo args=')
    return list.split('\n').filter((line) => !/^ps -eo|^\(sd-pam\)|^\/usr\/lib\/systemd\/systemd|^su -s|^\[/.test(line))
  }

  /** What no host has when all is said and done. */
  async leftovers(): Promise<string> {
    const files = await this.#host.sh(
      `cd ${this.app.state}; ls -A | grep -vE '^(releases|git|backups|current|rollback|ledger.jsonl|verdict|evidence|data.log)$'
      find backups -name '*.part*' 2>/dev/null; for each in releases/*; do [ -e $each/record.json ] || echo $each; done; true`,
    )
    const processes = (await this.#processes()).filter((line) => !this.#quiet.has(line))
    return [await this.app.leftovers(), files, ...processes].filter(Boolean).join('\n')
  }

  /** Half a minute of silence, or the deadline of the change, and what either needs on a busy machine. */
  async settled(): Promise<void> {
    for (const end = Date.now() + 150_000; ; await new Promise((resolve) => setTimeout(resolve, 500))) {
      const left = await this.leftovers()
      if (left === '') return
      if (Date.now() > end) throw new Error(`left on the host:\n${left}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]()
  }
}

const makers = [
  () => Site.create('root'),
  () => Site.create('deploy'),
  () => Site.create('deploy', 'always'),
  () => Site.create('root'),
  () => Site.create('deploy'),
]
const free: { site: Site; make: () => Promise<Site> }[] = []
const took = new Map<string, number>()
let runs = 100
const table: (Ending & { end: string; said: string })[] = []

beforeAll(async () => {
  for (const make of makers) free.push({ site: await make(), make })
})
afterAll(async () => {
  for (const { site } of free) await site[Symbol.asyncDispose]()
  const names = Object.keys(ways) as Way[]
  const cell = (step: string, moment: string, way: string) => {
    const row = table.find((each) => each.step === step && each.moment === moment && each.way === way)
    return row ? `${row.end} (${row.said})` : ''
  }
  const rows = steps.flatMap((step) =>
    moments.map((moment) => [`${step}, ${moment}`, ...names.map((way) => cell(step, moment, way))]),
  )
  const lines = [['where', ...names], ['', ...names].map(() => '---'), ...rows].map(
    (cells) => `| ${cells.join(' | ')} |`,
  )
  console.log(`\nHow the host ended (and what main said), ${table.length} endings:\n\n${lines.join('\n')}\n`)
})

/** On one of the hosts that nobody uses; one on which something went wrong is replaced by a new one. */
async function onHost(story: (site: Site) => Promise<void>): Promise<void> {
  const taken = free.shift()
  if (taken === undefined) throw new Error('more tests at once than hosts')
  try {
    await story(taken.site)
  } catch (error) {
    await taken.site[Symbol.asyncDispose]()
    taken.site = await taken.make()
    throw error
  } finally {
    free.push(taken)
  }
}

test('these are the steps that a deploy has', async () => {
  await onHost(async (site) => {
    await site.abandoned()
    const seen = new Steps()
    const run = await site.plain((line) => void seen.read(line))
    expect(run.outputs['result'], run.maskedLog).toBe('deployed')
    for (const [step, ms] of seen.took) took.set(step, ms)
    expect([...seen.took.keys()]).toEqual(steps)
    await site.settled()
  })
})

for (const ending of met) {
  test.concurrent(`${ending.step}, ${ending.moment}: ${ending.way}`, async () => {
    await onHost((site) => meet(site, ending))
  })
}

async function meet(site: Site, ending: Ending): Promise<void> {
  const { app } = site
  if (ending.step === 'Settle the deploy before') await site.abandoned()
  const old = (await app.ledger()).findLast(({ result }) => result === 'deployed')
  await using temp = await scratch('runner-temp')
  const runId = `${++runs}`
  await using request = await site.request({ temp: temp.path, runId })
  const next = site.version
  const run = await ended(request, ending, (took.get(ending.step) ?? 0) / 2)

  // Where a deploy of before was open, it is the next run that ends it.
  if (ending.step === 'Settle the deploy before' && (await app.leftovers()).includes('pending')) await site.plain()
  await site.settled()
  if (ending.way !== 'the machine is lost') {
    // But for the report, which is for later steps.
    expect((await readdir(temp.path)).filter((name) => !name.startsWith('homelab-deploy-'))).toEqual([])
    expect(run.orphans).toEqual([])
  }

  const lines = (await app.ledger()).filter((line) => `${line['run']}`.endsWith(`/${runId}`))
  const last = (await app.ledger()).findLast(({ result }) => result === 'deployed')
  const current = await app.host.sh(`cat ${app.state}/current`)
  expect(last?.['release']).toBe(current)
  const isNew = lines.some(({ result }) => result === 'deployed')
  expect(lines.length, JSON.stringify(lines)).toBeLessThanOrEqual(1)
  await app.expectVersion(await app.answer())
  if (isNew) expect(await app.answer()).toBe(next)
  else if (last?.['release'] === old?.['release']) expect(await app.answer()).not.toBe(next)

  expectTruth(run, isNew, isNew ? current : `${old?.['release']}`)
  expect(endsOf(steps, ending), run.maskedLog).toContain(isNew)
  table.push({ ...ending, end: isNew ? 'new' : 'old', said: run.main.outputs['result'] || '-' })
}
