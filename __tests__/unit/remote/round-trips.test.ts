import { expect, test } from 'vitest'
import { SshHost } from '../../../src/remote/ssh-host.ts'
import { Secret } from '../../../src/secret.ts'
import { startDelayProxy } from '../../helpers/delay-proxy.ts'
import { startOpensshHost } from '../../helpers/openssh-host.ts'

// What src/remote/eager.ts does reaches inside ssh2, and stops without an error when the inside changes: this notices.
test('login and first script wait for seven answers, not ten', async ({ skip }) => {
  await using host = await startOpensshHost()
  if (host === undefined) return skip('no sshd here')
  await using proxy = await startDelayProxy({ host: host.address, port: host.port }, 10)
  const { fingerprint } = host.hostKey
  await using remote = await SshHost.connect(
    {
      address: { user: host.user, host: proxy.host, port: proxy.port },
      hostKey: { mode: 'pinned', entries: [{ fingerprint }] },
      key: new Secret(host.clientKey.private),
      connectTimeout: 10_000,
    },
    { log: { info() {}, warning() {}, output() {} } as never },
  )
  expect(await remote.run('echo hello >&3', { label: 'hello' })).toMatchObject({ code: 0, text: 'hello\n' })
  expect(proxy.traffic.connections).toBe(1)
  expect(proxy.traffic.roundTrips).toBeLessThanOrEqual(7)
})
