import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import type { Mishap } from '../helpers/faults.ts'
import {
  deploy,
  eventually,
  expectResult,
  expectSettled,
  forgetLease,
  ledger,
  liveTree,
  starting,
} from '../helpers/story.ts'

/** A deploy that loses its connection is never a success, and never leaves anybody in doubt for longer than need be. */
async function running(): Promise<EmbeddedHost> {
  const host = await startHost()
  expectResult(await deploy(host, { source: { v: 'one\n' } }), 'deployed')
  return host
}
const second = { source: { v: 'two\n' }, inputs: { activate: 'echo activating; sleep 1; echo done' } }
const failing = { source: { v: 'two\n' }, inputs: { activate: 'echo activating; sleep 1; exit 3' } }

describe('in the middle of activate', () => {
  const mishaps: [string, Mishap][] = [
    ['closed', 'drop'],
    ['reset', 'reset'],
  ]
  it.concurrent.each(mishaps)(
    'a connection that is %s: the host goes on, and a new one learns the end',
    async (_name, mishap) => {
      await using host = await running()
      const fault = host.inject({ do: mishap, output: /^activating/m })
      const result = await deploy(host, second)
      expect(fault.fired).toBe(1)
      expectResult(result, 'deployed')
      // Not because nothing bad was heard: the exit code of activate was read over the second connection.
      expect(result.maskedLog).toMatch(/connection was lost[\s\S]*│ done/)
      expect(await liveTree(host)).toEqual({ v: 'two\n' })
      await expectSettled(host)
    },
  )

  it.concurrent.each(mishaps)(
    'a connection that is %s, and an activate that fails: taken back',
    async (_name, mishap) => {
      await using host = await running()
      const fault = host.inject({ do: mishap, output: /^activating/m })
      const result = await deploy(host, failing)
      expect(fault.fired).toBe(1)
      expectResult(result, 'rolled-back')
      expect(result.errors[0]?.message).toContain('exit code 3')
      expect(await liveTree(host)).toEqual({ v: 'one\n' })
      expect((await ledger(host)).map((line) => line.result)).toEqual(['deployed', 'rolled-back'])
      await expectSettled(host)
    },
  )

  it.concurrent('a host that stays away: unknown, and by itself it goes back to what it had', async () => {
    await using host = await running()
    const fault = host.inject({ do: 'vanish', output: /^activating/m })
    await using run = await starting(host, { ...second, inputs: { ...second.inputs, 'confirm-timeout': '10s' } })
    await run.line(/connection was lost/)
    run.cancel()
    const result = await run.finished
    expect(fault.fired).toBe(1)
    expectResult(result, 'unknown')
    expect(result.main.durationMs).toBeLessThan(20_000)
    expect(result.outputs).toMatchObject({ result: 'unknown', release: '' })
    expect(result.errors[0]?.message).toContain('nobody can say yet')
    await eventually(async () => expect(await liveTree(host)).toEqual({ v: 'one\n' }), 20_000)
    await host.listen()
    await forgetLease(host)
    const next = await deploy(host, { source: { v: 'three\n' } })
    expectResult(next, 'deployed')
    expect(await liveTree(host)).toEqual({ v: 'three\n' })
    await expectSettled(host)
  })

  // Three heartbeats of ten seconds have to be lost first.
  it.concurrent('a black hole: the heartbeat notices, and a new connection learns the end', async () => {
    await using host = await running()
    await using hole = await blackHole(host)
    host.inject({ do: () => hole.swallow(), output: /^activating/m })
    const inputs = { ...failing.inputs, host: `deploy@127.0.0.1:${hole.port}`, 'host-key': host.hostKey.fingerprint }
    const result = await deploy(host, { ...failing, inputs })
    expectResult(result, 'rolled-back')
    expect(result.maskedLog).toContain('connection was lost')
    expect(result.main.durationMs).toBeLessThan(50_000)
    expect(await liveTree(host)).toEqual({ v: 'one\n' })
  })
})

describe('before anything changed', () => {
  it.concurrent.each<[string, RegExp]>([
    ['while facts are read', /os-release/],
    ['while the lock is taken', /lock\/lease/],
    ['while files are compared', /hd_compare\n/],
  ])('%s: the deploy has failed, and what ran runs', async (_name, match) => {
    await using host = await running()
    const fault = host.inject({ do: 'reset', match })
    const result = await deploy(host, { source: { v: 'two\n' } })
    expect(fault.fired).toBe(1)
    expectResult(result, 'failed')
    expect(result.errors[0]?.message).toContain('HD-SSH-05')
    expect(await liveTree(host)).toEqual({ v: 'one\n' })
  })

  it.concurrent('while a file is sent: likewise', async () => {
    await using host = await running()
    const fault = host.inject({ do: 'reset', afterBytes: 200_000 })
    const big = Array.from({ length: 100_000 }, (_, n) => (n * 7919 * 104_729).toString(36)).join('')
    const result = await deploy(host, { source: { v: 'two\n', big } })
    expect(fault.fired).toBe(1)
    expectResult(result, 'failed')
    expect(result.errors[0]?.message).toContain('HD-SSH-05')
    expect(await liveTree(host)).toEqual({ v: 'one\n' })
  })
})

/** A way to the host that, once told to, swallows what passes on the connections it has; new ones work. */
async function blackHole(host: EmbeddedHost) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const onwards = connect(host.port, host.address)
    socket.pipe(onwards).pipe(socket)
    for (const end of [socket, onwards]) {
      sockets.add(end)
      end.on('error', () => end.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    swallow: () => {
      for (const socket of sockets) socket.unpipe().resume()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
