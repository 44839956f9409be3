import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { scratch } from '../helpers/scratch.ts'
import { sshClient } from '../helpers/ssh-client.ts'
import { attempt, type Outcome, until } from './command.ts'
import { type LabHost, labHost } from './host.ts'
import type { User } from './image.ts'
import { leftovers } from './sweep.ts'

/** The system's own ssh, which knows the host's key and nothing else. */
async function ssh(host: LabHost, command: string, user: User = host.user, seconds = 5): Promise<Outcome> {
  await using folder = await scratch('lab-ssh')
  const file = async (name: string, text: string) => {
    await writeFile(join(folder.path, name), text, { mode: 0o600 })
    return join(folder.path, name)
  }
  const options = [
    ...[
      'BatchMode=yes',
      'StrictHostKeyChecking=yes',
      `ConnectTimeout=${seconds}`,
      'ServerAliveInterval=1',
      'LogLevel=ERROR',
    ],
    `UserKnownHostsFile=${await file('known_hosts', `${host.knownHostsLine}\n`)}`,
    `IdentityFile=${await file('key', host.clientKey.private)}`,
  ]
  return await attempt([
    'ssh',
    '-F',
    'none',
    ...options.flatMap((option) => ['-o', option]),
    `${user}@${host.address}`,
    command,
  ])
}

test('a host boots, is known by its key, reboots, loses its network and gets it back, and is gone afterwards', async () => {
  {
    await using host = await labHost({ name: 'smoke' })
    expect(await ssh(host, 'hostname; whoami; . /etc/os-release; echo $VERSION_CODENAME')).toMatchObject({
      code: 0,
      stdout: 'smoke\ndeploy\ntrixie\n',
    })
    expect(await host.sh('cat /proc/1/comm; ps -o comm= -p 1; systemctl is-active ssh')).toBe(
      'systemd\nsystemd\nactive',
    )

    const bootId = await host.sh('cat /proc/sys/kernel/random/boot_id')
    await ssh(host, 'echo kept > kept; echo lost > /run/user/$(id -u)/lost')
    await host.reboot()
    expect((await ssh(host, 'cat kept; ls /run/user/*/lost')).stdout).toBe('kept\n')
    expect(await host.sh('cat /proc/sys/kernel/random/boot_id')).not.toBe(bootId)

    for (const direction of ['both', 'in', 'out'] as const) {
      await host.cutNetwork(direction)
      expect((await ssh(host, 'true', 'deploy', 1)).code).toBe(255)
      expect(await host.sh('echo alive')).toBe('alive')
      await host.restoreNetwork()
      expect((await ssh(host, 'echo back')).stdout).toBe('back\n')
    }
  }
  // The network of the whole lab is still there, and hosts of other stories may be.
  expect((await leftovers()).filter((what) => /\bsmoke\b/.test(what))).toEqual([])
})

test('a power cut ends everything at once, and the disk is what stays', async () => {
  await using host = await labHost()
  const cut = ssh(host, 'echo before > disk; sync; touch ready; sleep 60; echo after > disk')
  await until('the disk to be written', async () => (await host.try('test -e ~deploy/ready')).code === 0, 20_000, 50)
  await host.kill()
  expect((await cut).code).toBe(255)
  await host.boot()
  expect((await ssh(host, 'cat disk')).stdout).toBe('before\n')
})

test('an open connection survives a short cut of the network', async () => {
  await using host = await labHost()
  using client = await sshClient(host)
  const answer = client.run('sleep 0.3; echo still here')
  await host.cutNetwork()
  await new Promise((resolve) => setTimeout(resolve, 800))
  await host.restoreNetwork()
  expect((await answer).stdout).toBe('still here\n')
})

describe('the accounts', () => {
  test('are root, one with sudo, one without, one that may not log in', async () => {
    await using host = await labHost()
    expect((await ssh(host, 'id -u; sudo -n id -u')).stdout).toBe('1000\n0\n')
    expect(await ssh(host, 'id -u; sudo -n id -u', 'limited')).toMatchObject({ code: 1, stdout: '1001\n' })
    expect((await ssh(host, 'id -u', 'root')).stdout).toBe('0\n')
    expect(await ssh(host, 'id -u', 'nologin')).toMatchObject({
      code: 1,
      stdout: 'This account is currently not available.\n',
    })
  })

  test('of systemd users have their own manager', async () => {
    await using host = await labHost()
    await host.sh('loginctl enable-linger deploy')
    const own =
      'export XDG_RUNTIME_DIR=/run/user/$(id -u); systemctl --user is-system-running --wait; systemd-run --user -q --wait true'
    expect(await ssh(host, own)).toMatchObject({ code: 0, stdout: 'running\n' })
  })
})

test('sshd can be stopped: refused, not silent', async () => {
  await using host = await labHost()
  await host.stopSshd()
  expect((await ssh(host, 'true')).stderr).toContain('refused')
  await host.startSshd()
  expect((await ssh(host, 'true')).code).toBe(0)
})

test('a disk can be full', async () => {
  await using host = await labHost({ disk: '64m' })
  await host.fillDisk()
  expect((await ssh(host, 'echo x > file || echo full')).stdout).toBe('full\n')
  await host.freeDisk()
  expect((await ssh(host, 'echo x > file && echo written')).stdout).toBe('written\n')
})

test('several hosts boot at once and see each other', async () => {
  await using stack = new AsyncDisposableStack()
  const hosts = await Promise.all([1, 2, 3].map(async () => stack.use(await labHost())))
  const [first, second] = hosts as [LabHost, LabHost]
  expect(new Set(hosts.map(({ address }) => address)).size).toBe(3)
  expect(await first.sh(`ping -c 1 -W 2 ${second.address} >/dev/null && echo seen`)).toBe('seen')
  expect((await first.try('ping -c 1 -W 1 192.0.2.1')).code).not.toBe(0)
  // Each has a tree of units of its own: what stops here goes on there.
  await Promise.all(hosts.map((host) => host.sh('systemd-run -q --unit=worker sleep 60')))
  await first.sh('systemctl kill -s KILL worker; systemctl stop worker ssh')
  expect(await second.sh('systemctl is-active worker ssh')).toBe('active\nactive')
})

test('systemd works as on a machine: transient units, timers, a watchdog that fires in time', async () => {
  await using host = await labHost()
  const script =
    'systemd-run -q --on-active=300ms --timer-property=AccuracySec=10ms touch /run/fired; sleep 1; ls /run/fired'
  expect(await host.sh(script)).toBe('/run/fired')
  expect((await host.try('systemctl --failed --no-legend')).stdout).toBe('')
})
