import { describe, expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { makeKey } from '../helpers/keys.ts'
import { deploy, expectError, expectNoLogin, expectResult, liveTree } from '../helpers/story.ts'

/** A target that nobody reaches but its jump host: its name means something there only. */
async function behind({ forward = true } = {}) {
  const target = await startHost()
  const jump = await startHost({
    user: 'jumper',
    authorizedKeys: [target.clientKey.public],
    forward: forward && (({ host }) => (host === 'inner.lan' ? { host: '127.0.0.1', port: target.port } : undefined)),
  })
  const inputs = {
    host: 'deploy@inner.lan',
    'host-key': target.hostKey.line('inner.lan', 22),
    'jump-host': jump.target,
    'jump-host-key': jump.knownHostsLine,
    'connect-timeout': '3s',
  }
  return {
    target,
    jump,
    inputs,
    async [Symbol.asyncDispose]() {
      await jump[Symbol.asyncDispose]()
      await target[Symbol.asyncDispose]()
    },
  }
}

describe('through a jump host', () => {
  it.concurrent('a deploy works, and runs nothing there', async () => {
    await using site = await behind()
    const result = await deploy(site.target, { inputs: site.inputs })
    expectResult(result, 'deployed')
    expect(result.summary).toContain(`**Network** through the jump host \`${site.jump.target}\``)
    expect(result.maskedLog).toContain(`by the jump host ${site.jump.target}`)
    expect(result.report).toMatchObject({ jump: site.jump.target })
    expect(await liveTree(site.target)).toEqual({ 'index.html': 'one\n' })
    expect(site.jump.commands).toEqual([])
    expect(site.jump.open).toBe(0)
  })

  it.concurrent('the key of the jump host is checked, by its own input', async () => {
    await using site = await behind()
    const wrong = makeKey().line('127.0.0.1', site.jump.port)
    const result = await deploy(site.target, { inputs: { ...site.inputs, 'jump-host-key': wrong } })
    expectError(
      result,
      'HD-SSH-01',
      `jumper@127.0.0.1:${site.jump.port} did not show`,
      'set `jump-host-key` to',
      site.jump.knownHostsLine,
    )
    expect(site.target.connections).toBe(0)
    expect(site.jump.logins).toEqual([])
  })

  it.concurrent('a jump host without a known key is refused', async () => {
    await using site = await behind()
    const result = await deploy(site.target, { inputs: { ...site.inputs, 'jump-host-key': undefined } })
    expectError(result, 'HD-SSH-01', 'no `jump-host-key` says whether that is right')
    expect(site.target.connections).toBe(0)
  })

  it.concurrent('the key of the target is checked as well', async () => {
    await using site = await behind()
    const wrong = makeKey().line('inner.lan', 22)
    const result = await deploy(site.target, { inputs: { ...site.inputs, 'host-key': wrong } })
    expectError(
      result,
      'HD-SSH-01',
      'deploy@inner.lan did not show',
      'set `host-key` to',
      site.target.hostKey.line('inner.lan', 22),
    )
    await expectNoLogin(site.target)
  })

  it.concurrent('that lets nobody through, the message says so', async () => {
    await using site = await behind({ forward: false })
    const result = await deploy(site.target, { inputs: { ...site.inputs, 'connect-timeout': '1s' } })
    expectError(result, 'HD-NET-03', 'deploy@inner.lan')
    expect(site.target.connections).toBe(0)
  })

  it.concurrent('that dies in the middle, the deploy is no success', async () => {
    await using site = await behind()
    const fault = site.jump.inject({ do: 'vanish', afterBytes: 40_000 })
    const source = { big: Array.from({ length: 20_000 }, (_, n) => n * 7919).join(' ') }
    const result = await deploy(site.target, { inputs: site.inputs, source })
    expect(fault.fired).toBe(1)
    expectError(result, 'HD-SSH-05')
    expect(result.outputs['result']).toBe('failed')
    expect(await liveTree(site.target).catch(() => ({}))).toEqual({})
  })
})
