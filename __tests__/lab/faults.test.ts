import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ActionRun, RunResult } from '../helpers/run-action.ts'
import { type LabHost, labHost } from './host.ts'
import { Service } from './service.ts'

/**
 * The fault campaign: at every step of a deploy something breaks, and each time the host ends in the old version or in
 * the new one, never between, with nothing left behind and a ledger that says what happened. `npm run lab -- faults`
 * meets them all, `npm run lab` a cross-section.
 */
const moments = {
  'on connecting': /^::group::Connect/,
  'on taking the lock': /^::group::Take the lock/,
  'in before': /before begins/,
  'on sending': /^::group::Compare and send/,
  'on switching over': /^::group::Switch over/,
  'in prepare': /prepare begins/,
  'after prepare': /prepare ends/,
  'in activate': /activate begins/,
  'after activate': /activate ends/,
  'on checking health': /^::group::Check health/,
  'on confirming': /^::group::Confirm/,
} as const
type Moment = keyof typeof moments

/** Everywhere, or where most can go wrong. */
const everything = process.env['HOMELAB_FAULTS'] === 'all'
const some: Record<'root' | 'deploy', Moment[]> = {
  root: ['on sending', 'in activate', 'on checking health'],
  deploy: ['in activate'],
}

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** What breaks; whatever has to be mended afterwards is mended by it, too. */
const faults: Record<string, (host: LabHost, run: ActionRun) => Promise<void>> = {
  'the runner is killed': async (_host, run) => run.kill('SIGKILL'),
  'the job is cancelled': async (_host, run) => run.cancel(),
  'the network is cut for a while': async (host) => {
    await host.cutNetwork('both')
    await later(15_000)
    await host.restoreNetwork()
  },
  'sshd goes away for a while': async (host) => {
    await host.sh('systemctl stop ssh; pkill -KILL -x sshd-session; pkill -KILL -x sshd; true')
    await later(3_000)
    await host.startSshd()
  },
  'the host reboots': async (host) => {
    await host.reboot()
  },
}

interface Row {
  readonly fault: string
  readonly moment: string
  readonly result: string
  readonly end: string
  readonly seconds: number
}
const table: Row[] = []

afterAll(() => {
  const rows = table.map(
    ({ fault, moment, result, end, seconds }) =>
      `| ${fault} | ${moment} | ${result} | ${end} | ${seconds.toFixed(1)} s |`,
  )
  console.log(
    [
      '',
      '| fault | moment | what the run said | the host ended in | took |',
      '| --- | --- | --- | --- | --- |',
      ...rows,
      '',
    ].join('\n'),
  )
})

describe.each(['root', 'deploy'] as const)('as %s', (user) => {
  let host: LabHost
  let app: Service
  let version = 1

  beforeAll(async () => {
    host = await labHost({ name: `faults-${user}`, user })
    app = new Service(host)
    await app.install()
    const { outputs, maskedLog } = await app.deploy({ version: `v${version}` })
    expect(outputs.result, maskedLog).toBe('deployed')
  })
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]()
  })

  // The plain user shares all but the way the guard is started, so it meets the faults where that matters.
  const guarded: Moment[] = ['in prepare', 'in activate', 'on checking health', 'on confirming']
  const met = everything && user === 'root' ? (Object.keys(moments) as Moment[]) : everything ? guarded : some[user]
  const cases = met.flatMap((moment) => Object.keys(faults).map((fault) => ({ moment, fault })))

  // Once more where it fails: two cores that are busy elsewhere can make a host too slow for these short times.
  test.each(cases)('$fault $moment', { retry: 1 }, async ({ moment, fault }) => {
    const old = await app.answer()
    const next = `v${++version}`
    const began = performance.now()
    let mended: Promise<void> = Promise.resolve()
    const run = await app.start({ version: next }, (action) => {
      mended = action.line(moments[moment]).then(() => faults[fault]?.(host, action))
    })
    await mended
    const end = await settled(run, old, next, fault === 'the host reboots')
    table.push({
      fault,
      moment: `${moment} (${user})`,
      result: run.outputs?.result ?? 'nothing',
      end: end === old ? 'old' : 'new',
      seconds: (performance.now() - began) / 1_000,
    })
    // What the run said was no lie.
    if (run.outputs?.result === 'deployed') expect(end).toBe(next)
    // One that was cancelled after it was confirmed has failed, and says that the new version runs.
    const changed = run.outputs?.result === 'failed' && run.outputs.changed === 'true'
    if (run.outputs?.result === 'rolled-back' || run.outputs?.result === 'failed')
      expect(end).toBe(changed ? next : old)
    expect(await files(run)).toEqual([])
  })

  /** Waits until nothing of the deploy is left, then the host is in one of the two versions, all of it. */
  async function settled(run: RunResult, old: string, next: string, rebooted: boolean): Promise<string> {
    await host.answers()
    // A reboot before the first change leaves what nobody was there to clear: the next run does.
    const uncleared = rebooted && !(await host.sh(`ls ${app.state}`)).includes('pending')
    if (!uncleared) await app.expectNothingLeft(60)
    const before = (await app.ledger()).length
    const end = (await app.answer()) || old
    expect([old, next], run.maskedLog).toContain(end)
    await app.expectVersion(end)
    const current = await host.sh(`cat ${app.state}/current`)
    const confirmed = (await app.ledger()).findLast(({ result }) => result === 'deployed')
    expect(confirmed?.release).toBe(current)
    expect((await app.ledger()).length).toBe(before)
    return end
  }
})

/** What the action left on the runner. */
async function files(run: RunResult): Promise<string[]> {
  return run.orphans.map(({ argv }) => argv.join(' '))
}

describe('a host with a small disk', () => {
  test.each(['on sending', 'on switching over', 'in prepare'] as const)('fills up %s', async (moment) => {
    await using host = await labHost({ name: 'full', user: 'root', disk: '96m' })
    const app = new Service(host)
    await app.install()
    await app.deploy({ version: 'v1' })
    const run = await app.start(
      { version: 'v2', inputs: { prepare: 'echo prepare begins; sleep 1; head -c 8000000 /dev/zero >full' } },
      (action) => {
        void action.line(moments[moment]).then(() => host.fillDisk())
      },
    )
    await host.freeDisk()
    expect(['failed', 'rolled-back'], run.maskedLog).toContain(run.outputs.result)
    await app.expectVersion('v1')
    await app.expectNothingLeft(60)
    table.push({
      fault: 'the disk is full',
      moment,
      result: run.outputs.result ?? '',
      end: 'old',
      seconds: run.durationMs / 1_000,
    })
  })
})

describe('versions that are bad', () => {
  const bad = {
    'is ill': {},
    'hangs in activate': { activate: 'sleep 600' },
    'fails in activate': { activate: 'systemctl stop app; exit 1' },
    'stops the service': { activate: 'systemctl stop app' },
    'fails in prepare': { prepare: 'exit 1' },
    'dies after a second': {
      activate: 'systemctl restart app; (sleep 1.5; systemctl kill -s KILL app) >/dev/null 2>&1 &',
    },
  }
  test.each(Object.entries(bad))('one that %s is taken back', async (name, inputs) => {
    await using host = await labHost({ name: 'bad', user: 'root' })
    const app = new Service(host)
    await app.install()
    await app.deploy({ version: 'v1' })
    const run = await app.deploy({ version: name === 'is ill' ? 'v2x' : 'v2', inputs: { ...inputs } })
    expect(run.outputs.result, run.maskedLog).toBe('rolled-back')
    expect(run.errors).toHaveLength(1)
    await app.expectVersion('v1')
    await app.expectNothingLeft(10)
    table.push({
      fault: `a version that ${name}`,
      moment: '',
      result: run.outputs.result ?? '',
      end: 'old',
      seconds: run.durationMs / 1_000,
    })
  })
})
