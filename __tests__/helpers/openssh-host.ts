import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { describeKey, type KeyPair, type KeyType, makeKey } from './keys.ts'
import { descendants, processesIn, processesWithEnv, readProcess, signal } from './processes.ts'
import { scratch } from './scratch.ts'
import { nobody, type TestHost } from './test-host.ts'
import { writeTree } from './tree.ts'

const binary = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/libexec/sshd'].find((path) => existsSync(path))

export interface OpensshOptions {
  readonly authorizedKeys?: readonly string[]
  readonly hostKeys?: readonly KeyType[]
  /** More lines of sshd_config. The first value of a keyword wins, so these come first. */
  readonly config?: readonly string[]
  /** As in sshd_config: `10:30:100`. */
  readonly maxStartups?: string
  readonly env?: Record<string, string>
  /** Folders before the standard PATH. */
  readonly path?: readonly string[]
  /** Host and user certificates, by a certificate authority of its own. */
  readonly certificates?: boolean
}

export interface OpensshHost extends TestHost {
  /** Only with `certificates`. */
  readonly authority: Authority | undefined
  /** What sshd has logged so far. */
  log(): string
}

export interface Authority {
  /** `@cert-authority …`, for known_hosts. */
  readonly knownHostsLine: string
  /** A certificate (the text of `…-cert.pub`) for somebody's public key. */
  sign(publicKey: string, principals?: readonly string[]): string
}

/** sshd starts commands in the home folder of /etc/passwd, which here would be the real home of whoever runs the tests. */
const startInHome =
  'c=$SSH_ORIGINAL_COMMAND; unset SSH_ORIGINAL_COMMAND; cd && if [ "$c" ]; then exec "$SHELL" -c "$c"; else exec "$SHELL"; fi'

/**
 * The same host by the machine's own sshd, without privileges. Undefined where there is no sshd: the test should say so
 * (`test.skipIf`). Run by root it is `nobody` under the name `deploy` in a mount namespace with its own /etc/passwd;
 * otherwise it is the current user with a scratch folder as home.
 */
export async function startOpensshHost(options: OpensshOptions = {}): Promise<OpensshHost | undefined> {
  if (!binary) return undefined
  const asRoot = process.getuid?.() === 0
  const owner = asRoot ? nobody : undefined
  const user = asRoot ? 'deploy' : userInfo().username
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await scratch('sshd', owner)).path
  const home = join(folder, 'home')
  mkdirSync(home, { mode: 0o700 })
  const file = (name: string, text: string, mode = 0o600) => {
    writeFileSync(join(folder, name), text, { mode })
    if (owner) chownSync(join(folder, name), owner.uid, owner.gid)
    return join(folder, name)
  }
  if (owner) chownSync(home, owner.uid, owner.gid)
  chmodSync(folder, 0o755)

  const clientKey = makeKey()
  const hostKeys = (options.hostKeys ?? ['ed25519']).map((type) => makeKey(type))
  const keyFiles = hostKeys.map((key, n) => {
    file(`host-${n}.pub`, `${key.public}\n`, 0o644)
    return file(`host-${n}`, key.private)
  })
  const authority = options.certificates ? makeAuthority(folder, user, file) : undefined
  const marker = `HOMELAB_TEST_HOST=${randomUUID()}`
  const port = await freePort()
  const path = [...(options.path ?? []), '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'].join(':')
  const env = Object.entries({ HOME: home, PATH: path, ...options.env }).map(([name, value]) => `"${name}=${value}"`)
  const config = [
    ...(options.config ?? []),
    `ListenAddress 127.0.0.1:${port}`,
    ...keyFiles.map((name) => `HostKey ${name}`),
    ...(authority
      ? [`TrustedUserCAKeys ${authority.file}`, `HostCertificate ${authority.certifyHost(keyFiles[0] as string)}`]
      : []),
    `AuthorizedKeysFile ${file('authorized_keys', `${(options.authorizedKeys ?? [clientKey.public]).join('\n')}\n`, 0o644)}`,
    // Only the first SetEnv line counts.
    `SetEnv ${[...env, marker].join(' ')}`,
    ...(asRoot ? [] : [`ForceCommand ${startInHome}`]),
    'AuthenticationMethods publickey',
    'KbdInteractiveAuthentication no',
    `MaxStartups ${options.maxStartups ?? '100'}`,
    'PasswordAuthentication no',
    'PidFile none',
    'PrintMotd no',
    'StrictModes no',
    'UsePAM no',
  ]
  const sshd = start(file('sshd_config', `${config.join('\n')}\n`), user, home, asRoot, file)
  let log = ''
  sshd.stderr?.on('data', (chunk) => {
    log += chunk
  })
  const sessions = () => descendants(sshd.pid as number).filter((pid) => readProcess(pid).argv[0]?.startsWith('sshd'))
  const processes = () => {
    const found = [...processesWithEnv(marker), ...processesIn(folder)]
    return found.filter(
      ({ pid, argv }, n) => !argv[0]?.startsWith('sshd') && found.findIndex((other) => other.pid === pid) === n,
    )
  }
  stack.defer(async () => {
    const gone = new Promise((resolve) =>
      (sshd.exitCode ?? sshd.signalCode) !== null ? resolve(0) : sshd.once('exit', resolve),
    )
    for (const pid of [...sessions(), sshd.pid as number]) signal(pid, 'SIGKILL')
    await gone
    for (let alive = processes(); alive.length > 0; alive = processes()) {
      for (const { pid } of alive) signal(pid, 'SIGKILL')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
  for (let tries = 0; !log.includes('Server listening'); tries++) {
    if (tries > 500 || sshd.exitCode !== null) throw new Error(`sshd did not start:\n${log}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }

  const hostKey = hostKeys[0] as KeyPair
  const owned = stack.move()
  return {
    address: '127.0.0.1',
    port,
    user,
    target: `${user}@127.0.0.1:${port}`,
    home,
    hostKey,
    hostKeys,
    knownHostsLine: hostKey.line('127.0.0.1', port),
    clientKey,
    owner,
    authority,
    log: () => log,
    processes,
    write: async (tree) => void (await writeTree(home, tree, { owner })),
    drop: () => sessions().forEach((pid) => void signal(pid, 'SIGKILL')),
    freeze: () => sessions().forEach((pid) => void signal(pid, 'SIGSTOP')),
    thaw: () => sessions().forEach((pid) => void signal(pid, 'SIGCONT')),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

type MakeFile = (name: string, text: string, mode?: number) => string

function start(config: string, user: string, home: string, asRoot: boolean, file: MakeFile): ChildProcess {
  const command = [binary as string, '-D', '-e', '-f', config]
  const stdio = ['ignore', 'ignore', 'pipe'] as const
  if (!asRoot)
    return spawn(command[0] as string, command.slice(1), { stdio: [...stdio], env: { PATH: process.env.PATH } })
  // An account for nobody, seen by this sshd only.
  const others = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .filter((line) => !/^(nobody|deploy):/.test(line))
  const passwd = file(
    'passwd',
    [...others, `${user}:x:${nobody.uid}:${nobody.gid}::${home}:/bin/sh`, ''].join('\n'),
    0o644,
  )
  const enter = `mount --bind "$1" /etc/passwd && shift && exec setpriv --reuid ${nobody.uid} --regid ${nobody.gid} --clear-groups "$@"`
  return spawn('unshare', ['--mount', 'sh', '-c', enter, 'sh', passwd, ...command], {
    stdio: [...stdio],
    env: { PATH: process.env.PATH },
  })
}

function makeAuthority(folder: string, user: string, file: MakeFile) {
  const key = makeKey()
  const ca = file('ca', key.private)
  const publicFile = file('ca.pub', `${key.public}\n`, 0o644)
  let serial = 0
  const sign = (publicKey: string, principals: readonly string[], kind: readonly string[]) => {
    const name = `signed-${serial++}`
    const subject = file(`${name}.pub`, `${publicKey}\n`, 0o644)
    execFileSync('ssh-keygen', [
      '-q',
      '-s',
      ca,
      '-I',
      name,
      '-n',
      principals.join(','),
      '-V',
      '-5m:+1h',
      ...kind,
      subject,
    ])
    return join(folder, `${name}-cert.pub`)
  }
  return {
    file: publicFile,
    knownHostsLine: `@cert-authority * ${describeKey('', key.public).type} ${key.public.split(' ')[1]}`,
    certifyHost: (keyFile: string) => sign(readFileSync(`${keyFile}.pub`, 'utf8').trim(), ['127.0.0.1'], ['-h']),
    sign: (publicKey: string, principals = [user]) => readFileSync(sign(publicKey, principals, []), 'utf8').trim(),
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}
