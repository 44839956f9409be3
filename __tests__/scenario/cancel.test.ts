import { describe, expect, it } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { startAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import {
  deploy,
  eventually,
  expectError,
  expectResult,
  expectSettled,
  forgetLease,
  inputsFor,
  ledger,
  liveTree,
  starting,
} from '../helpers/story.ts'
import { commitTree } from '../helpers/tree.ts'

async function running(): Promise<EmbeddedHost> {
  const host = await startHost()
  expectResult(await deploy(host, { source: { v: 'one\n' }, inputs: { 'env-file': 'A=first-value' } }), 'deployed')
  return host
}
const before = { v: 'one\n', '.env': { text: 'A=first-value\n', mode: 0o600 } }
const slow = { 'env-file': 'A=second-value', activate: 'echo activating; sleep 60 & sleep 60; echo never' }

describe('a job that is cancelled', () => {
  it.concurrent('in the middle of activate has taken the deploy back', async () => {
    await using host = await running()
    const result = await deploy(host, {
      source: { v: 'two\n' },
      inputs: slow,
      cancelWhen: /activating/,
      skipPost: false,
    })
    expectResult(result, 'rolled-back')
    expectError(result, 'HD-CANCEL-01', 'SIGINT')
    expect(await liveTree(host)).toEqual(before)
    await expectSettled(host)
  })

  it.concurrent('has done so within seven seconds of the signal, and ends by itself', async () => {
    await using host = await running()
    await using run = await starting(host, { source: { v: 'two\n' }, inputs: slow })
    await run.line(/activating/)
    const began = performance.now()
    run.cancel()
    const result = await run.finished
    expect(performance.now() - began).toBeLessThan(7_000)
    expect(result).toMatchObject({ exitCode: 1, signal: null })
    expect(result.outputs['result']).toBe('rolled-back')
    expect(await liveTree(host)).toEqual(before)
  })

  it.concurrent.each(['rsync', 'tar', 'git'])('while files are sent by %s: nothing has changed', async (sync) => {
    await using host = await running()
    await using workspace = await scratch('workspace')
    const big = Array.from({ length: 200_000 }, (_, n) => (n * 7919 * 104_729).toString(36)).join('')
    const sha = await commitTree(workspace.path, { v: 'two\n', big })
    // The network stands still in the middle of the transfer, until the job is cancelled.
    const fault = host.inject({ do: 'freeze', afterBytes: 200_000 })
    // What runs is of another repository.
    const inputs = inputsFor(host, { sync, 'allow-downgrade': 'true' })
    const run = startAction({ inputs, workspace: workspace.path, sha })
    await eventually(() => expect(fault.fired).toBe(1), 15_000)
    run.cancel()
    host.thaw()
    const result = await run.finished
    expectError(result, 'HD-CANCEL-01')
    expect(result.outputs['result']).toBe('failed')
    expect(await liveTree(host)).toEqual(before)
    await expectSettled(host)
  })

  it.concurrent('while it waits for the lock has touched nothing', async () => {
    await using host = await running()
    await using first = await starting(host, { source: { v: 'two\n' }, inputs: slow })
    await first.line(/activating/)
    const result = await deploy(host, { source: { v: 'three\n' }, cancelWhen: /Waiting for the lock/ })
    expectError(result, 'HD-CANCEL-01')
    expect(result.main.durationMs).toBeLessThan(5_000)
    first.cancel()
    expectResult(await first.finished, 'rolled-back')
    expect(await liveTree(host)).toEqual(before)
  })
})

describe('a main that was killed', () => {
  it.concurrent('is finished by post, when post still runs', async () => {
    await using host = await running()
    await using run = await starting(host, { source: { v: 'two\n' }, inputs: slow })
    await run.line(/activating/)
    process.kill(run.pid as number, 'SIGKILL')
    const result = await run.finished
    expect(result.main.signal).toBe('SIGKILL')
    expect(result.post).toMatchObject({ exitCode: 0 })
    expect(result.post?.maskedLog).toMatch(/settling it[\s\S]*rolled-back/)
    await eventually(async () => expect(await liveTree(host)).toEqual(before))
  })

  it.concurrent('with its runner: the next run finds what was before, whoever settled it, and goes its way', async () => {
    await using host = await running()
    const inputs = { ...slow, 'confirm-timeout': '10s' }
    const died = await deploy(host, { source: { v: 'two\n', w: 'new\n' }, inputs, killWhen: /activating/ })
    expect(died).toMatchObject({ signal: 'SIGKILL', post: undefined })
    expect(await liveTree(host)).toMatchObject({ v: 'two\n', w: 'new\n' })
    const next = await deploy(host, {
      source: { v: 'three\n' },
      inputs: { before: 'cat v .env', 'env-file': 'A=third-value', 'lock-timeout': '40s' },
    })
    expectResult(next, 'deployed')
    // What `before` saw is what was there before the deploy that died.
    expect(next.maskedLog).toContain('│ one')
    expect(await liveTree(host)).toEqual({ v: 'three\n', '.env': { text: 'A=third-value\n', mode: 0o600 } })
    expect((await ledger(host)).map(({ result }) => result)).toEqual(['deployed', 'rolled-back', 'deployed'])
  })

  it.concurrent('before it changed anything is of no concern to the next run', async () => {
    await using host = await running()
    const died = await deploy(host, {
      source: { v: 'two\n' },
      inputs: { before: 'echo waiting; sleep 60' },
      killWhen: /waiting/,
    })
    expect(died.signal).toBe('SIGKILL')
    expect(await liveTree(host)).toEqual(before)
    await forgetLease(host)
    expectResult(await deploy(host, { source: { v: 'three\n' } }), 'deployed')
  })
})
