import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { describe, expect, test } from 'vitest'
import { type HostOptions, startHost } from '../../helpers/embedded-host.ts'
import { makeKey } from '../../helpers/keys.ts'
import { scratch } from '../../helpers/scratch.ts'
import { sshClient } from '../../helpers/ssh-client.ts'

async function once(options: HostOptions, command: string, stdin?: string) {
  await using host = await startHost(options)
  using client = await sshClient(host, options.auth === 'none' ? { privateKey: '' } : {})
  return { ...(await client.run(command, stdin)), host }
}

async function eventually(what: () => boolean) {
  for (let tries = 200; !what() && tries > 0; tries--) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(what()).toBe(true)
}

describe('a command', () => {
  test('gets its input, and gives its output, errors and exit code', async () => {
    const answer = await once({}, 'cat; echo oops >&2; exit 7', 'hello')
    expect(answer).toMatchObject({ code: 7, stdout: 'hello', stderr: 'oops\n' })
    expect(answer.host.commands[0]).toMatchObject({ command: 'cat; echo oops >&2; exit 7', stdin: 'hello', code: 7 })
  })

  test('runs in the home folder with the environment of a login, not with ours', async () => {
    const { stdout, host } = await once({}, 'pwd; echo $HOME $USER; env | grep -c VITEST; id -u')
    expect(stdout).toBe(
      `${host.home}\n${host.home} deploy\n0\n${process.getuid?.() === 0 ? 65534 : process.getuid?.()}\n`,
    )
  })

  test('has real pipes, as under sshd', async () => {
    const { stdout } = await once({}, 'cat /dev/stdin > /dev/stdout; readlink /proc/self/fd/0', 'through')
    expect(stdout).toMatch(/^through.*(pipe|fifo)/)
  })

  test('that a signal ended says which', async () => {
    expect(await once({}, 'kill -KILL $$')).toMatchObject({ code: null, signal: 'SIGKILL' })
  })

  test('carries megabytes both ways at once without losing or reordering any', async () => {
    await using host = await startHost()
    using connection = await sshClient(host)
    const bytes = Buffer.alloc(20 << 20, 'abcdefghijklmnopqrstuvwxyz\n')
    const { stdout } = await connection.run('cat', bytes)
    expect(stdout.length).toBe(bytes.length)
    expect(Buffer.from(stdout).equals(bytes)).toBe(true)
  })

  test('may run beside others on the same connection', async () => {
    await using host = await startHost()
    using connection = await sshClient(host)
    const answers = await Promise.all([1, 2, 3, 4].map((n) => connection.run(`sleep 0.1; echo ${n}`)))
    expect(answers.map(({ stdout }) => stdout)).toEqual(['1\n', '2\n', '3\n', '4\n'])
    expect(host.connections).toBe(1)
  })

  test('keeps the channel open as long as a background process holds the output', async () => {
    await using host = await startHost()
    using connection = await sshClient(host)
    const before = Date.now()
    await connection.run('sleep 0.4 & echo started')
    expect(Date.now() - before).toBeGreaterThan(350)
    const detached = Date.now()
    await connection.run('sleep 5 >/dev/null 2>&1 </dev/null &')
    expect(Date.now() - detached).toBeLessThan(2000)
  })

  test('prints after the noise of a noisy shell', async () => {
    expect((await once({ noise: 'Welcome!\n' }, 'echo x')).stdout).toBe('Welcome!\nx\n')
  })

  test('is refused by an account without a shell', async () => {
    expect(await once({ shell: 'nologin' }, 'echo x')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('not available'),
    })
  })
})

describe('logging in', () => {
  test.each(['ed25519', 'rsa', 'ecdsa'] as const)('works with a %s key on both sides', async (type) => {
    const key = makeKey(type)
    await using host = await startHost({ authorizedKeys: [key.public], hostKeys: [type] })
    let seen = ''
    using _connection = await sshClient(host, {
      privateKey: key.private,
      hostHash: 'sha256',
      hostVerifier: (hash: string) => {
        seen = hash
        return true
      },
    })
    expect(`SHA256:${Buffer.from(seen, 'hex').toString('base64').replace(/=+$/, '')}`).toBe(host.hostKey.fingerprint)
  })

  test('fails with a stranger key, a wrong user and a password', async () => {
    await using host = await startHost()
    await expect(sshClient(host, { privateKey: makeKey().private })).rejects.toThrow(/authentication/i)
    await expect(sshClient(host, { username: 'other' })).rejects.toThrow(/authentication/i)
    await expect(sshClient(host, { privateKey: '', password: 'x' })).rejects.toThrow(/authentication/i)
    expect(host.logins.some((login) => login.accepted)).toBe(false)
  })

  test('needs no key where everybody may enter', async () => {
    expect((await once({ auth: 'none' }, 'echo in')).stdout).toBe('in\n')
  })

  test('offers no sftp', async () => {
    await using host = await startHost()
    using connection = await sshClient(host)
    await expect(
      new Promise((resolve, reject) => connection.raw.sftp((e, sftp) => (e ? reject(e) : resolve(sftp)))),
    ).rejects.toThrow()
  })

  test.each(['ed25519', 'rsa', 'ecdsa'] as const)(
    'works for the ssh of this machine with a %s key, host key verified',
    async (type) => {
      const key = makeKey(type)
      await using host = await startHost({
        authorizedKeys: [key.public],
        hostKeys: [type],
        banner: 'Authorised use only\n',
      })
      await using folder = await scratch('ssh')
      await writeFile(join(folder.path, 'key'), key.private, { mode: 0o600 })
      await writeFile(join(folder.path, 'known'), `${host.knownHostsLine}\n`)
      const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve, reject) => {
        const args = [
          '-F',
          'none',
          '-i',
          join(folder.path, 'key'),
          '-o',
          `UserKnownHostsFile=${join(folder.path, 'known')}`,
        ]
        args.push(
          '-o',
          'StrictHostKeyChecking=yes',
          '-o',
          'BatchMode=yes',
          '-p',
          String(host.port),
          `${host.user}@${host.address}`,
        )
        const child = execFile('ssh', [...args, 'cat; exit 0'], (error, stdout, stderr) =>
          error ? reject(error) : resolve({ stdout, stderr }),
        )
        child.stdin?.end('typed')
      })
      expect(stdout).toBe('typed')
      expect(stderr).toContain('Authorised use only')
    },
  )

  test('goes through a jump host that forwards', async () => {
    await using inner = await startHost({ user: 'inner' })
    await using jump = await startHost({ forward: true })
    using outer = await sshClient(jump)
    const sock = await new Promise<ssh2.ClientChannel>((resolve, reject) =>
      outer.raw.forwardOut('127.0.0.1', 0, inner.address, inner.port, (error, channel) =>
        error ? reject(error) : resolve(channel),
      ),
    )
    using connection = await sshClient(inner, { sock })
    expect((await connection.run('echo $USER')).stdout).toBe('inner\n')
  })
})

describe('a fault', () => {
  test('that drops the connection leaves the silent command running and breaks the printing one', async () => {
    await using host = await startHost()
    const fault = host.inject({ match: /ready/, output: /ready/, do: 'drop' })
    using connection = await sshClient(host)
    const silent = connection.run('sleep 0.2; echo done > silent')
    const answer = await connection.run('while echo ready; do sleep 0.05; done; echo broken > printing', '')
    await silent
    expect(answer.code).toBe(null)
    expect(fault.fired).toBe(1)
    await eventually(() => host.processes().length === 0)
    const { stdout } = await (await sshClient(host)).run('cat silent printing')
    expect(stdout).toBe('done\n')
  })

  test('may lose the answer of a command that has finished', async () => {
    await using host = await startHost()
    host.inject({ match: /touch/, at: 'exit', do: 'reset' })
    expect((await (await sshClient(host)).run('touch happened')).code).toBe(null)
    expect((await (await sshClient(host)).run('ls')).stdout).toBe('happened\n')
  })

  test('finds its script in the standard input too, and there before the shell does', async () => {
    await using host = await startHost()
    host.inject({ match: /touch second/, do: 'drop' })
    await (await sshClient(host)).run('sh -s', 'touch first\ntouch second\n')
    expect((await (await sshClient(host)).run('ls')).stdout).toBe('')
  })

  test('after a number of bytes', async () => {
    await using host = await startHost()
    host.inject({ afterBytes: 500_000, do: 'reset' })
    const { stdout, code } = await (await sshClient(host)).run('head -c 5000000 /dev/zero')
    expect(code).toBe(null)
    expect(stdout.length).toBeLessThan(1_000_000)
  })

  test('that freezes keeps the connection open, and thawing goes on where it was', async () => {
    await using host = await startHost()
    host.inject({ output: /one/, do: 'freeze' })
    using connection = await sshClient(host)
    const answer = connection.run('echo one; sleep 0.05; echo two')
    const winner = await Promise.race([
      answer.then(() => 'answer'),
      new Promise((resolve) => setTimeout(resolve, 300, 'silence')),
    ])
    expect(winner).toBe('silence')
    expect(host.open).toBe(1)
    host.thaw()
    expect(await answer).toMatchObject({ code: 0, stdout: 'one\ntwo\n' })
  })

  test('that is a power cut ends every process, daemons included, and a boot brings the host back', async () => {
    await using host = await startHost()
    using connection = await sshClient(host)
    await connection.run('touch kept; cd /; env -i setsid sh -c "cd ~; sleep 60" >/dev/null 2>&1 </dev/null &')
    await connection.run('setsid sleep 61 >/dev/null 2>&1 </dev/null & echo')
    expect(host.processes().length).toBeGreaterThan(0)
    host.powerCut()
    await eventually(() => host.processes().length === 0)
    await expect(sshClient(host)).rejects.toThrow(/ECONNREFUSED/)
    await host.listen()
    expect((await (await sshClient(host)).run('ls')).stdout).toBe('kept\n')
  })

  test.each(['silence', 'garbage'] as const)('in the greeting: %s', async (greeting) => {
    await using host = await startHost({ greeting })
    await expect(sshClient(host, { readyTimeout: 300 })).rejects.toThrow()
    host.greeting = 'ssh'
    expect((await (await sshClient(host)).run('echo well')).stdout).toBe('well\n')
  })

  test('new host keys', async () => {
    await using host = await startHost()
    const before = host.knownHostsLine
    host.changeHostKeys()
    expect(host.knownHostsLine).not.toBe(before)
    using _connection = await sshClient(host)
  })
})

test('a host leaves nothing behind', async () => {
  const host = await startHost()
  using connection = await sshClient(host)
  await connection.run('setsid sleep 60 >/dev/null 2>&1 </dev/null & nohup sleep 61 >/dev/null 2>&1 </dev/null & true')
  expect(host.processes().length).toBe(2)
  await host[Symbol.asyncDispose]()
  expect(host.processes()).toEqual([])
  await expect(sshClient(host)).rejects.toThrow(/ECONNREFUSED/)
})

test('keys with a passphrase need it', () => {
  for (const type of ['ed25519', 'rsa', 'ecdsa'] as const) {
    const key = makeKey(type, 'open sesame')
    expect(ssh2.utils.parseKey(key.private)).toBeInstanceOf(Error)
    expect(ssh2.utils.parseKey(key.private, 'open sesame')).not.toBeInstanceOf(Error)
  }
})
