import { expect, test } from 'vitest'
import { sshClient } from '../helpers/ssh-client.ts'
import { busyboxHost } from './busybox-host.ts'

test('a BusyBox host has an init, a shell and an sshd, and hardly a tool', async () => {
  await using host = await busyboxHost({ name: 'router' })
  expect(await host.sh('readlink -f /proc/1/exe; hostname')).toBe('/bin/busybox\nrouter')
  let seen: Buffer | undefined
  using client = await sshClient(host, {
    hostVerifier: (key: Buffer) => {
      seen = key
      return true
    },
  })
  expect(host.hostKeys.some((key) => key.public.includes(seen?.toString('base64') ?? '?'))).toBe(true)
  const tools = 'systemctl bash rsync git python3 perl sudo flock nohup docker nix uv'
  expect(await client.run(`for tool in ${tools}; do command -v $tool; done; id -un; pwd; cat`, 'typed')).toMatchObject({
    code: 0,
    stdout: 'deploy\n/home/deploy\ntyped',
  })
  await client.run('echo kept > kept')
  await host.reboot()
  using again = await sshClient(host)
  expect((await again.run('cat kept')).stdout).toBe('kept\n')
  await host.kill()
  await host.boot()
  using third = await sshClient(host, { username: 'root' })
  expect((await third.run('id -u; cat /home/deploy/kept')).stdout).toBe('0\nkept\n')
})

test('its sshd can be stopped and its network cut', async () => {
  await using host = await busyboxHost()
  await host.stopSshd()
  await expect(sshClient(host)).rejects.toThrow(/ECONNREFUSED/)
  await host.startSshd()
  await host.cutNetwork()
  await expect(sshClient(host, { readyTimeout: 300 })).rejects.toThrow()
  await host.restoreNetwork()
  using client = await sshClient(host)
  expect((await client.run('echo back')).stdout).toBe('back\n')
})
