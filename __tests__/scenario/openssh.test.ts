import { describe, expect, it } from 'vitest'
import { type OpensshHost, type OpensshOptions, startOpensshHost } from '../helpers/openssh-host.ts'
import { deploy, expectError, expectResult, expectSettled, liveTree } from '../helpers/story.ts'

/** The same stories in short on the sshd of this machine, which knows things that no stand-in does. */
function story(name: string, options: OpensshOptions, test: (host: OpensshHost) => Promise<void>) {
  it.concurrent(name, async ({ skip }) => {
    await using host = await startOpensshHost(options)
    if (host === undefined) return skip('sshd is not installed')
    await test(host)
  })
}

// HOME is set for the commands, but sshd starts them in the home folder of the account, which may be another.
describe('on OpenSSH', () => {
  for (const sync of ['tar', 'rsync'])
    story(`deploys, changes nothing twice, and takes back what fails: ${sync}`, {}, async (host) => {
      const inputs = { sync, path: `${host.home}/app`, 'env-file': 'KEY=some-value' }
      expectResult(await deploy(host, { inputs, source: { v: 'one\n', 'sub/x': 'y' } }), 'deployed')
      expectResult(await deploy(host, { inputs, source: { v: 'one\n', 'sub/x': 'y' } }), 'unchanged')
      const broken = { ...inputs, activate: 'exit 3', 'env-file': 'KEY=other-value' }
      expectResult(await deploy(host, { inputs: broken, source: { v: 'two\n' } }), 'rolled-back')
      expect(await liveTree(host)).toEqual({
        '.env': { text: 'KEY=some-value\n', mode: 0o600 },
        v: 'one\n',
        'sub/x': 'y',
      })
      await expectSettled(host)
    })

  story('a wrong key and a wrong host key are told apart', {}, async (host) => {
    const { makeKey } = await import('../helpers/keys.ts')
    expectError(await deploy(host, { inputs: { 'ssh-key': makeKey().private } }), 'HD-SSH-03', 'refused the login')
    const wrong = makeKey().line('127.0.0.1', host.port)
    expectError(await deploy(host, { inputs: { 'host-key': wrong } }), 'HD-SSH-01', host.hostKey.fingerprint)
    expect(await liveTree(host, '.')).toEqual({})
  })

  story('the fingerprint of any of its keys will do', { hostKeys: ['ed25519', 'ecdsa', 'rsa'] }, async (host) => {
    for (const key of host.hostKeys) {
      const inputs = { 'host-key': key.fingerprint, path: `${host.home}/app`, force: 'true' }
      expectResult(await deploy(host, { inputs }), 'deployed')
    }
  })

  story(
    'a banner and a forced command',
    { config: ['ForceCommand echo "only for backups"', 'Banner /etc/hostname'] },
    async (host) => {
      expectError(await deploy(host), 'HD-SSH-07', 'no usable shell', 'only for backups', '`command=`')
    },
  )

  story('MaxStartups that refuses at first is waited out', { maxStartups: '1:100:1' }, async (host) => {
    const { connect } = await import('node:net')
    const holder = connect(host.port, host.address)
    holder.on('error', () => {})
    await new Promise((resolve) => holder.once('data', resolve))
    setTimeout(() => holder.destroy(), 1_500)
    expectResult(await deploy(host, { inputs: { path: `${host.home}/app`, 'connect-timeout': '20s' } }), 'deployed')
  })

  story('a connection that dies in the middle of activate: the host goes on, the end is learnt', {}, async (host) => {
    const inputs = { path: `${host.home}/app`, activate: 'echo activating; sleep 2; exit 3' }
    const result = await deploy(host, {
      inputs,
      onLine: (line) => {
        if (/│ activating/.test(line)) host.drop()
      },
    })
    expectResult(result, 'rolled-back')
    expect(result.errors[0]?.message).toContain('exit code 3')
    await expectSettled(host)
  })

  story(
    'a connection that may hold one session only is told as what it is',
    { config: ['MaxSessions 1'] },
    async (host) => {
      const result = await deploy(host, { inputs: { path: `${host.home}/app` } })
      expectError(result, 'HD-SSH-07', '`MaxSessions`')
    },
  )
})
