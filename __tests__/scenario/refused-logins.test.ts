import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type EmbeddedHost, type HostOptions, startHost } from '../helpers/embedded-host.ts'
import { makeKey } from '../helpers/keys.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, expectError, expectNoLogin, expectUntouched } from '../helpers/story.ts'

/** Whoever cannot get in learns why and what to do, and the host is as it was. */
function refusal(name: string, options: HostOptions, story: (host: EmbeddedHost) => Promise<unknown>) {
  it.concurrent(name, async () => {
    await using host = await startHost(options)
    await story(host)
  })
}

describe('a key', () => {
  refusal('that the host does not know: shows the one command that adds it to authorized_keys', {}, async (host) => {
    const key = makeKey()
    const line = key.public.split(' ').slice(0, 2).join(' ')
    for (const mode of ['plan', 'deploy']) {
      const result = await deploy(host, { inputs: { mode, 'ssh-key': key.private } })
      const message = expectError(result, 'HD-SSH-03', 'The user deploy does not exist there', line, key.fingerprint)
      await expectNoLogin(host)
      expect(host.logins.filter(({ accepted }) => accepted)).toEqual([])
      const [command = ''] = /^ {2}\(.*authorized_keys\)$/m.exec(message) ?? []
      await using home = await scratch('home')
      await promisify(execFile)('sh', ['-c', command], { env: { ...process.env, HOME: home.path } })
      expect(await readFile(join(home.path, '.ssh/authorized_keys'), 'utf8')).toBe(`${line} homelab-deploy\n`)
    }
  })

  refusal('of the right owner for the wrong user', { user: 'somebody' }, async (host) => {
    const result = await deploy(host, { inputs: { host: `deploy@127.0.0.1:${host.port}` } })
    expectError(result, 'HD-SSH-03', 'authorized_keys')
    await expectNoLogin(host)
  })

  refusal('with a passphrase and none given', {}, async (host) => {
    const result = await deploy(host, { inputs: { 'ssh-key': makeKey('ed25519', 'sesame').private } })
    expectError(result, 'HD-SSH-08', 'protected by a passphrase, and none was given', 'Set `ssh-key-passphrase`')
    expect(host.connections).toBe(0)
    await expectNoLogin(host)
  })

  refusal('with a passphrase and another one given', {}, async (host) => {
    const inputs = { 'ssh-key': makeKey('ed25519', 'sesame').private, 'ssh-key-passphrase': 'open-barley' }
    const result = await deploy(host, { inputs })
    expectError(result, 'HD-SSH-08', '`ssh-key-passphrase` does not open `ssh-key`')
    expect(result.maskedLog).not.toContain('open-barley')
    await expectNoLogin(host)
  })

  refusal('that is damaged inside', {}, async (host) => {
    const lines = host.clientKey.private.split('\n')
    const damaged = [lines[0], ...lines.slice(2)].join('\n')
    expectError(await deploy(host, { inputs: { 'ssh-key': damaged } }), 'HD-SSH-02', 'ssh-keygen -y -f')
    await expectNoLogin(host)
  })
})

describe('an address', () => {
  refusal('with a name that nobody knows', {}, async (host) => {
    const inputs = { host: 'deploy@no-such-host.invalid', 'connect-timeout': '1s' }
    const result = await deploy(host, { inputs })
    expectError(result, 'HD-NET-01', 'no-such-host.invalid could not be resolved', 'Check the spelling', '`tailnet-…`')
    expect(host.connections).toBe(0)
  })

  refusal('whose port is closed', {}, async (host) => {
    host.refuse()
    const result = await deploy(host, { inputs: { 'connect-timeout': '1s' } })
    expectError(
      result,
      'HD-NET-03',
      `Port ${host.port} of 127.0.0.1 is closed`,
      'Tried for 1',
      `ss -ltn | grep :${host.port}`,
    )
    await expectNoLogin(host)
  })

  refusal('with no route to it', {}, async (host) => {
    const inputs = { host: 'deploy@255.255.255.255', 'connect-timeout': '1s' }
    expectError(await deploy(host, { inputs }), 'HD-NET-07', 'There is no route to 255.255.255.255', 'ENETUNREACH')
  })

  refusal('in a private network, from a runner of GitHub’s', {}, async (host) => {
    const inputs = { host: 'deploy@[fd00::dead:beef]', 'connect-timeout': '1s' }
    const result = await deploy(host, { inputs, env: { RUNNER_ENVIRONMENT: 'github-hosted' } })
    expectError(result, 'HD-NET-06', 'fd00::dead:beef is a private address', '`jump-host`', 'self-hosted runner')
  })

  refusal('where something else listens', { greeting: 'garbage' }, async (host) => {
    const result = await deploy(host, { inputs: { 'connect-timeout': '1s' } })
    expectError(result, 'HD-NET-08', 'answers, but not with SSH', 'not an SSH banner')
    await expectNoLogin(host)
  })

  refusal('where nobody says a word', { greeting: 'silence' }, async (host) => {
    const result = await deploy(host, { inputs: { 'connect-timeout': '1s' } })
    expectError(result, 'HD-NET-08', 'no banner came', 'MaxStartups')
    await expectNoLogin(host)
  })
})

describe('an account', () => {
  refusal('without a shell', { shell: 'nologin' }, async (host) => {
    const result = await deploy(host)
    expectError(
      result,
      'HD-SSH-07',
      'no usable shell',
      'This account is currently not available.',
      'sudo chsh -s /bin/sh deploy',
    )
    await expectUntouched(host)
  })

  refusal('whose shell does not exist', { shell: '/bin/no-such-shell' }, async (host) => {
    expectError(await deploy(host), 'HD-SSH-07', 'no usable shell')
    await expectUntouched(host)
  })

  refusal('that may not use sudo, with sudo: always', {}, async (host) => {
    const result = await deploy(host, { inputs: { sudo: 'always' } })
    expectError(result, 'HD-SUDO-01', 'NOPASSWD: /bin/sh', '/etc/sudoers.d/homelab-deploy', 'visudo -c')
    await expectUntouched(host)
  })
})
