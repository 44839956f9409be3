import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { startHost } from '../../helpers/embedded-host.ts'
import { makeKey } from '../../helpers/keys.ts'
import { startOpensshHost } from '../../helpers/openssh-host.ts'
import { scratch } from '../../helpers/scratch.ts'
import { sshClient } from '../../helpers/ssh-client.ts'

// Where a machine has no sshd, these are reported as skipped, not as passed.
const probe = await startOpensshHost()
await probe?.[Symbol.asyncDispose]()

async function start(...options: Parameters<typeof startOpensshHost>) {
  const host = await startOpensshHost(...options)
  if (!host) throw new Error('no sshd')
  return host
}

describe.skipIf(!probe)('the real sshd', () => {
  test('gives the account its home, our PATH and real pipes', async () => {
    await using host = await start({ path: ['/opt/stand-ins'], env: { EXTRA: 'a b' } })
    await host.write({ 'notes.txt': 'hello' })
    using client = await sshClient(host)
    const answer = await client.run('cat ~/notes.txt; echo " $HOME $USER $EXTRA $PATH"; readlink /proc/self/fd/0')
    expect(answer.stdout).toMatch(/^hello .* a b \/opt\/stand-ins:.*\n(pipe|socket):/)
    expect(answer.stdout).toContain(` ${host.home} ${host.user} `)
    expect(answer.code).toBe(0)
  })

  test.each(['ed25519', 'rsa', 'ecdsa'] as const)('shows a %s host key that is known beforehand', async (type) => {
    await using host = await start({ hostKeys: [type] })
    let seen: Buffer | undefined
    using _client = await sshClient(host, {
      hostVerifier: (key: Buffer) => {
        seen = key
        return true
      },
    })
    expect(host.hostKey.public).toContain(seen?.toString('base64'))
  })

  test('refuses a stranger', async () => {
    await using host = await start()
    await expect(sshClient(host, { privateKey: makeKey().private })).rejects.toThrow(/authentication/i)
  })

  test('knows its user and is known by certificates alone', async () => {
    await using host = await start({ certificates: true, authorizedKeys: [] })
    await using folder = await scratch('certificate')
    await writeFile(join(folder.path, 'key'), host.clientKey.private, { mode: 0o600 })
    await writeFile(join(folder.path, 'key-cert.pub'), `${host.authority?.sign(host.clientKey.public)}\n`)
    await writeFile(join(folder.path, 'known'), `${host.authority?.knownHostsLine}\n`)
    const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', `UserKnownHostsFile=${join(folder.path, 'known')}`]
    const args = ['-F', 'none', '-i', join(folder.path, 'key'), ...options.flatMap((option) => ['-o', option])]
    const { stdout } = await promisify(execFile)('ssh', [
      ...args,
      '-p',
      `${host.port}`,
      `${host.user}@${host.address}`,
      'echo in',
    ])
    expect(stdout).toBe('in\n')
  })

  test('turns connections away beyond MaxStartups', async () => {
    await using host = await start({ maxStartups: '1:100:1', config: ['LoginGraceTime 5'] })
    const tries = await Promise.allSettled(Array.from({ length: 6 }, () => sshClient(host)))
    expect(tries.some(({ status }) => status === 'rejected')).toBe(true)
    expect(host.log()).toMatch(/MaxStartups/i)
  })

  test('leaves nothing behind', async () => {
    const host = await start()
    using client = await sshClient(host)
    await client.run('setsid sleep 60 >/dev/null 2>&1 </dev/null &')
    expect(host.processes().length).toBe(1)
    await host[Symbol.asyncDispose]()
    expect(host.processes()).toEqual([])
    await expect(sshClient(host)).rejects.toThrow(/ECONNREFUSED/)
  })
})

/** What the embedded host copies must be so: the same stories on both, with the same end. */
describe.skipIf(!probe)('the embedded host does as the real one', () => {
  const kinds = { embedded: () => startHost(), openssh: () => start() }

  async function both(story: (kind: keyof typeof kinds) => Promise<unknown>) {
    expect(await story('embedded')).toEqual(await story('openssh'))
  }

  const commands: [string, string, string?][] = [
    ['exit code', 'echo out; echo err >&2; exit 7'],
    ['input', 'cat; echo', 'typed'],
    ['input unread', 'exit 3', 'x'.repeat(3 << 20)],
    ['death by signal', 'kill -TERM $$'],
    ['kill -9', 'kill -KILL $$'],
    ['device files', 'cat /dev/stdin >/dev/stdout; echo e >/dev/stderr', 'through'],
    ['working directory and umask', 'test "$PWD" -ef "$HOME" && umask'],
    ['who leads', 'test "$(ps -o sid= -p $$)" -eq "$(ps -o pgid= -p $$)" && echo own session'],
    ['no terminal', 'tty; test -t 0 || echo none'],
    ['missing command', 'no-such-command-here 2>/dev/null'],
    [
      'names of the environment',
      'env | sed "s/=.*//" | grep -vE "^(LANG|LC_.*|MAIL|MOTD_SHOWN|_|SHLVL|PWD|OLDPWD|TZ)$" | sort',
    ],
  ]

  test.each(commands)('%s', async (_name, command, stdin) => {
    await both(async (kind) => {
      await using host = await kinds[kind]()
      using client = await sshClient(host)
      return await client.run(command, stdin)
    })
  })

  test('a dropped connection: the silent command ends its work, the printing one dies, nobody says how', async () => {
    await both(async (kind) => {
      await using host = await kinds[kind]()
      using client = await sshClient(host)
      const silent = client.run('sleep 0.4; echo done > silent')
      const printing = client.run('while echo tick; do sleep 0.05; done; echo survived > printing')
      const reading = client.run('cat > read; echo end >> read', '').catch(() => 'lost')
      await reading
      await new Promise((resolve) => setTimeout(resolve, 150))
      host.drop()
      const answers = [(await silent).code, (await printing).code]
      for (let tries = 0; host.processes().length > 0 && tries < 200; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      using again = await sshClient(host)
      return [answers, (await again.run('cd; for f in *; do echo "$f: $(cat "$f")"; done')).stdout]
    })
  })

  test('a frozen connection says nothing until it thaws', async () => {
    await both(async (kind) => {
      await using host = await kinds[kind]()
      using client = await sshClient(host)
      await client.run('true')
      host.freeze()
      const answer = client.run('echo late')
      const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 200, 'silence'))])
      host.thaw()
      return [first, await answer]
    })
  })

  test('a background process that holds the output holds the channel', async () => {
    await both(async (kind) => {
      await using host = await kinds[kind]()
      using client = await sshClient(host)
      const before = Date.now()
      await client.run('sleep 0.5 &')
      return Date.now() - before > 450
    })
  })

  // Without root the real host starts commands by ForceCommand, and then sshd passes no signals on.
  test.skipIf(process.getuid?.() !== 0)('a signal reaches the command and says so', async () => {
    await both(async (kind) => {
      await using host = await kinds[kind]()
      using client = await sshClient(host)
      return await new Promise((resolve, reject) =>
        client.raw.exec('echo started; sleep 5 | cat; echo not reached', (error, channel) => {
          if (error) return reject(error)
          const seen: unknown[] = []
          channel.stderr.resume()
          channel.once('data', () => channel.signal('TERM'))
          channel.on('exit', (code: number | null, name?: string) => seen.push(code, name))
          channel.on('close', () => resolve(seen))
        }),
      )
    })
  })
})
