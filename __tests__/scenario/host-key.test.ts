import { createHmac, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { type KeyPair, makeKey } from '../helpers/keys.ts'
import { deploy, expectError, expectNoLogin, expectResult } from '../helpers/story.ts'

/** A server with a key of each type, which prefers the first. Good stories run on `host`, refusals on `stranger`. */
let host: EmbeddedHost
let stranger: EmbeddedHost
const keyOf = (of: EmbeddedHost, type: string) => of.hostKeys.find((key) => key.type.includes(type)) as KeyPair
const place = (of: EmbeddedHost) => `[127.0.0.1]:${of.port}`
const hashed = (name: string, key: KeyPair) => {
  const salt = randomBytes(20)
  const hash = createHmac('sha1', salt).update(name).digest('base64')
  return `|1|${salt.toString('base64')}|${hash} ${key.public.split(' ').slice(0, 2).join(' ')}`
}

beforeAll(async () => {
  host = await startHost({ hostKeys: ['ed25519', 'ecdsa', 'rsa'] })
  stranger = await startHost({ hostKeys: ['ed25519', 'ecdsa', 'rsa'] })
})
afterAll(async () => {
  await expectNoLogin(stranger)
  await host[Symbol.asyncDispose]()
  await stranger[Symbol.asyncDispose]()
})

describe('is trusted', () => {
  const cases: Record<string, () => { pin: string; shown: string }> = {
    'as a known_hosts line': () => ({ pin: keyOf(host, 'ed25519').line('127.0.0.1', host.port), shown: 'ssh-ed25519' }),
    'as the line of another type than the server prefers: rsa': () => ({
      pin: keyOf(host, 'rsa').line('127.0.0.1', host.port),
      shown: 'ssh-rsa',
    }),
    'as the line of another type than the server prefers: ecdsa': () => ({
      pin: keyOf(host, 'ecdsa').line('127.0.0.1', host.port),
      shown: 'ecdsa-sha2-nistp256',
    }),
    'under a hashed name': () => ({ pin: hashed(place(host), keyOf(host, 'ed25519')), shown: 'ssh-ed25519' }),
    'among lines of other hosts, comments and other types': () => ({
      pin: [
        '# my hosts',
        makeKey().line('nas', 22),
        hashed('other', makeKey()),
        `nas,${place(host)},!router ${keyOf(host, 'ecdsa').public}`,
      ].join('\r\n'),
      shown: 'ecdsa-sha2-nistp256',
    }),
    'as a fingerprint': () => ({ pin: keyOf(host, 'ed25519').fingerprint, shown: 'ssh-ed25519' }),
    'as the fingerprint of another type than the server prefers: rsa': () => ({
      pin: keyOf(host, 'rsa').fingerprint,
      shown: 'ssh-rsa',
    }),
    'as the fingerprint of another type than the server prefers: ecdsa': () => ({
      pin: keyOf(host, 'ecdsa').fingerprint,
      shown: 'ecdsa-sha2-nistp256',
    }),
    'as a line of ssh-keygen -l': () => ({
      pin: `256 ${keyOf(host, 'ed25519').fingerprint} root@nas (ED25519)`,
      shown: 'ssh-ed25519',
    }),
    'beside a revoked one that is not shown': () => ({
      pin: `@revoked * ${makeKey().public}\n${keyOf(host, 'ed25519').line('127.0.0.1', host.port)}`,
      shown: 'ssh-ed25519',
    }),
  }
  it.concurrent.each(Object.entries(cases))('%s', async (_name, make) => {
    const { pin, shown } = make()
    const result = await deploy(host, {
      inputs: {
        'host-key': pin,
        name: `n${randomBytes(4).toString('hex')}`,
        path: `~/${randomBytes(4).toString('hex')}`,
      },
    })
    expectResult(result, 'deployed')
    const key = host.hostKeys.find(({ type }) => type === shown) as KeyPair
    expect(result.outputs['host-key']).toBe(key.line('127.0.0.1', host.port))
    expect(result.warnings).toEqual([])
  })
})

it.concurrent('accepts a new key only where that was asked for, loudly, and says how to pin it', async () => {
  const result = await deploy(host, { inputs: { 'host-key': 'accept-new', name: 'new', path: '~/new' } })
  expectResult(result, 'deployed')
  expect(result.warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining(`host-key: ${keyOf(host, 'ed25519').line('127.0.0.1', host.port)}`),
  ])
  expect(result.warnings[0]?.message).toContain('accepted without being known')
})

describe('is refused', () => {
  it.concurrent('when none was given: shows the key, how to check it, and the line to paste', async () => {
    const seen = keyOf(stranger, 'ed25519')
    expectError(
      await deploy(stranger, { inputs: { 'host-key': undefined } }),
      'HD-SSH-01',
      'is not known yet, so nothing was sent',
      `The host showed ssh-ed25519 ${seen.fingerprint}`,
      'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
      'set `host-key` to',
      seen.line('127.0.0.1', stranger.port),
    )
  })

  it.concurrent('when it is another: shows both, how to check it, and the line to paste', async () => {
    const [expected, seen] = [makeKey(), keyOf(stranger, 'ed25519')]
    expectError(
      await deploy(stranger, { inputs: { 'host-key': expected.line('127.0.0.1', stranger.port) } }),
      'HD-SSH-01',
      'did not show the host key that was expected',
      `Expected ssh-ed25519 ${expected.fingerprint}, and it showed ssh-ed25519 ${seen.fingerprint}`,
      'installed anew, or this is another machine',
      'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
      seen.line('127.0.0.1', stranger.port),
    )
  })

  it.concurrent('when the fingerprint is that of none of its keys', async () => {
    const message = expectError(
      await deploy(stranger, { inputs: { 'host-key': makeKey().fingerprint } }),
      'HD-SSH-01',
      'did not show the host key that was expected',
    )
    for (const key of stranger.hostKeys) expect(message).toContain(key.fingerprint)
  })

  it.concurrent('when the lines are for another port', async () => {
    const pin = keyOf(stranger, 'ed25519').line('127.0.0.1', 22)
    expectError(
      await deploy(stranger, { inputs: { 'host-key': pin } }),
      'HD-SSH-01',
      'No line of `host-key` is for this host and port',
      keyOf(stranger, 'ed25519').line('127.0.0.1', stranger.port),
    )
  })

  it.concurrent('when it is revoked, though another line trusts it', async () => {
    const key = keyOf(stranger, 'ed25519')
    const pin = `${key.line('127.0.0.1', stranger.port)}\n@revoked * ${key.public}`
    const message = expectError(
      await deploy(stranger, { inputs: { 'host-key': pin } }),
      'HD-SSH-01',
      'marks as revoked',
    )
    expect(message).not.toContain('set `host-key` to')
  })

  it.concurrent('when the pinned type is one that the host no longer has', async () => {
    await using small = await startHost({ hostKeys: ['ed25519'] })
    const pin = makeKey('rsa').line('127.0.0.1', small.port)
    expectError(
      await deploy(small, { inputs: { 'host-key': pin } }),
      'HD-SSH-01',
      small.hostKey.line('127.0.0.1', small.port),
    )
    await expectNoLogin(small)
  })

  it.concurrent('by a host that was installed anew since the last deploy', async () => {
    await using changed = await startHost()
    const pin = changed.knownHostsLine
    expectResult(await deploy(changed), 'deployed')
    const logins = changed.logins.length
    changed.changeHostKeys()
    expectError(await deploy(changed, { inputs: { 'host-key': pin } }), 'HD-SSH-01', changed.hostKey.fingerprint)
    expect(changed.logins).toHaveLength(logins)
  })
})
