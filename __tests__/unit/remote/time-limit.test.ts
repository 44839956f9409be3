import { expect, test } from 'vitest'
import { SshHost } from '../../../src/remote/ssh-host.ts'
import { Secret } from '../../../src/secret.ts'
import { startHost } from '../../helpers/embedded-host.ts'
import { eventually } from '../../helpers/story.ts'

test('HD-SSH-04: what does not finish in time is ended on the host, with everything it started', async () => {
  await using host = await startHost()
  await using remote = await SshHost.connect(
    {
      address: { user: host.user, host: host.address, port: host.port },
      hostKey: { mode: 'pinned', entries: [{ fingerprint: host.hostKey.fingerprint }] },
      key: new Secret(host.clientKey.private),
      connectTimeout: 10_000,
    },
    { log: { info() {}, warning() {}, output() {} } as never },
  )
  const asked = remote.run('echo began\nsleep 61 & sleep 62', { label: 'A long look', timeoutMs: 500 })
  await expect(asked).rejects.toMatchObject({ code: 'HD-SSH-04', what: expect.stringContaining('within') })
  await eventually(() => expect(host.processes().filter(({ argv }) => argv[0] === 'sleep')).toEqual([]))
})
