import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import {
  type Ending,
  ended,
  endsOf,
  expectTruth,
  moments,
  releasing,
  Steps,
  type Way,
  ways,
} from '../helpers/endings.ts'
import { signal } from '../helpers/processes.ts'
import { scratch } from '../helpers/scratch.ts'
import {
  deploy,
  eventually,
  expectSettled,
  forgetLease,
  inputsFor,
  ledger,
  liveTree,
  stateOf,
} from '../helpers/story.ts'
import { readTree, writeTree } from '../helpers/tree.ts'

/**
 * A cross-section of the matrix of endings, of which the lab has the whole: with 3 moments and 5 ways, counting on with
 * the steps meets each pair of them once, and each step once.
 */
const steps = [
  ...['Connect', 'Read facts', 'Take the lock', 'Settle the deploy before', 'Before', 'Compare and send'],
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
    releasing,
  ],
]
const names = Object.keys(ways) as Way[]
const picked = steps.map((step, at): Ending => {
  // Shifted so that a lost machine is noticed by the end of its connection or by the deadline: silence takes longer.
  const [moment, way] = [moments[at % 3], names[(at + 2) % 5]]
  return { step, moment: moment as Ending['moment'], way: way as Way }
})

const talk = (name: string) => `echo ${name} begins; sleep 0.3; echo ${name} ends`
const inputs = {
  backup: 'tar: v',
  before: talk('before'),
  prepare: talk('prepare'),
  migrate: talk('migrate'),
  activate: talk('activate'),
  after: talk('after'),
  health: 'command: cat v',
  'health-timeout': '10s',
  'health-stable': '0s',
  'confirm-timeout': '15s',
}
const hosts: EmbeddedHost[] = []
const free: EmbeddedHost[] = []
const took = new Map<string, number>()
let version = 0
const next = () => ({ v: `${++version}\n` })

beforeAll(async () => {
  hosts.push(...(await Promise.all([startHost(), startHost(), startHost(), startHost()])))
  await Promise.all(hosts.map((host) => deploy(host, { source: next(), inputs })))
  free.push(...hosts)
})
afterAll(async () => {
  for (const host of hosts) await host[Symbol.asyncDispose]()
})

/** On one of the hosts that nobody uses at the moment. */
async function onHost(story: (host: EmbeddedHost) => Promise<void>): Promise<void> {
  let host: EmbeddedHost | undefined
  while (host === undefined) {
    host = free.shift()
    if (host === undefined) await new Promise((resolve) => setTimeout(resolve, 50))
  }
  try {
    await story(host)
  } finally {
    free.push(host)
  }
}

/** A deploy that nobody ends: everything that could was killed together with its runner. */
async function abandoned(host: EmbeddedHost): Promise<void> {
  const endIt = (line: string) => {
    if (!line.includes('activate begins')) return
    for (const { pid } of host.processes()) signal(pid, 'SIGKILL')
  }
  await deploy(host, { source: next(), inputs, killWhen: /activate begins/, onLine: endIt })
  await forgetLease(host)
}

it('the steps that a deploy has', async () => {
  await onHost(async (host) => {
    await abandoned(host)
    const seen = new Steps()
    const run = await deploy(host, { source: next(), inputs, onLine: (line) => void seen.read(line) })
    expect(run.outputs['result'], run.maskedLog).toBe('deployed')
    for (const [step, ms] of seen.took) took.set(step, ms)
    expect([...seen.took.keys()]).toEqual(steps)
  })
})

for (const ending of picked) {
  it.concurrent(`${ending.step}, ${ending.moment}: ${ending.way}`, async () => {
    await onHost((host) => meet(host, ending))
  })
}

async function meet(host: EmbeddedHost, ending: Ending): Promise<void> {
  if (ending.step === 'Settle the deploy before') await abandoned(host)
  const before = await ledger(host)
  const old = before.findLast(({ result }) => result === 'deployed')?.release ?? ''
  const serving = await readOld(host, old)
  const source = next()
  await using workspace = await scratch('workspace')
  await using temp = await scratch('runner-temp')
  await writeTree(workspace.path, source)
  const request = { inputs: inputsFor(host, inputs), workspace: workspace.path, temp: temp.path }
  const run = await ended(request, ending, (took.get(ending.step) ?? 0) / 2)

  await eventually(() => expectSettled(host), 50_000)
  if (ending.way !== 'the machine is lost') {
    // But for the report, which is for later steps.
    expect((await readdir(temp.path)).filter((name) => !name.startsWith('homelab-deploy-'))).toEqual([])
    expect(run.orphans).toEqual([])
  }
  const deployed = (await ledger(host)).findLast(({ result }) => result === 'deployed')?.release ?? ''
  expect(await liveTree(host)).toEqual(deployed === old ? serving : source)
  expect(endsOf(steps, ending), run.maskedLog).toContain(deployed !== old)
  expectTruth(run, deployed !== old, deployed)
}

/** The tree of a release, as it was deployed. */
const readOld = (host: EmbeddedHost, release: string) => readTree(join(stateOf(host), 'releases', release, 'tree'))
