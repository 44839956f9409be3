import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ActionRun } from '../helpers/run-action.ts'
import { Headscale } from './headscale.ts'
import type { LabHost } from './host.ts'
import { TailnetJobs } from './tailnet-run.ts'

const stack = new AsyncDisposableStack()
let headscale: Headscale
let jobs: TailnetJobs
let host: LabHost
beforeAll(async () => {
  headscale = stack.use(await Headscale.start())
  jobs = stack.use(await TailnetJobs.over(headscale))
  host = stack.use(await headscale.host({ name: 'nas', ssh: true }))
})
afterAll(async () => await stack.disposeAsync())

const slow = { activate: 'echo activating; sleep 2; cp version ../serves', health: 'command: sleep 1' }

/** Counted at the control server, where a node that is not logged out stays for half an hour. */
describe('leaves no node, no process and no folder', () => {
  test('after a failure', async () => {
    const run = await jobs.deploy(host, 'v1', { ...jobs.byIdentity, activate: 'exit 3' })
    expect(run.outputs.result, run.maskedLog).toBe('rolled-back')
    await jobs.expectNothingLeft()
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('after %s in the middle', async (name) => {
    const during = (run: ActionRun) => void run.line(/activating/).then(() => run.kill(name))
    const run = await jobs.deploy(host, 'v1', { ...jobs.byIdentity, ...slow }, { during })
    expect(run.outputs.result, run.maskedLog).toBe('rolled-back')
    await jobs.expectNothingLeft()
  })

  test.each([50, 300, 1_000, 2_500])('after SIGINT %d ms into joining', async (ms) => {
    const run = await jobs.deploy(host, 'v1', { ...jobs.byIdentity, ...slow }, { during: afterJoining(ms, 'SIGINT') })
    expect(run.maskedLog).toMatch(/HD-CANCEL-01|activating/)
    await jobs.expectNothingLeft(1_000)
  })

  test.each([0, 100, 300, 600, 1_000, 1_500, 2_500, 4_000])('after kill -9 %d ms into joining', async (ms) => {
    const run = await jobs.deploy(host, 'v1', { ...jobs.byIdentity, ...slow }, { during: afterJoining(ms, 'SIGKILL') })
    expect(run.signal).toBe('SIGKILL')
    await jobs.expectNothingLeft(12_000)
  })

  test.each([/Connect to/, /Read facts/, /Take the lock/, /Compare and send/, /activating/, /Check health/, /Confirm/])(
    'within five seconds of kill -9 at %s',
    async (phase) => {
      const run = await jobs.deploy(host, `v${Math.random()}`, { ...jobs.byIdentity, ...slow }, { killWhen: phase })
      expect(run.signal, run.maskedLog).toBe('SIGKILL')
      await jobs.expectNothingLeft(5_000)
      // What the job that died began is settled, so that the next case finds the host free.
      await host.sh('rm -rf /home/deploy/.local/state/homelab-deploy/app/lock; sleep 0.2')
    },
  )
})

test('post finishes a deploy that main left in the middle, over the tailnet again', async () => {
  // The hangman of the runner: node is killed ten seconds after the cancel, and post runs all the same.
  const run = await jobs.deploy(
    host,
    'v9',
    { ...jobs.byIdentity, ...slow, activate: 'echo activating; sleep 60', restore: 'sleep 14' },
    { during: (run) => void run.line(/activating/).then(() => run.cancel()) },
  )
  expect(run.main.signal, run.maskedLog).toBe('SIGKILL')
  expect(run.post?.maskedLog).toMatch(/in the tailnet as gha-[\s\S]*was rolled-back/)
  await jobs.expectNothingLeft()
})

function afterJoining(ms: number, name: NodeJS.Signals) {
  return (run: ActionRun) =>
    void run
      .line(/Join the tailnet/)
      .then(() => new Promise((resolve) => setTimeout(resolve, ms)))
      .then(() => run.kill(name))
}
