import { randomUUID } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server as NetServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { type Account, runOnChannel } from './embedded-process.ts'
import { type CommandRecord, type Fault, FaultPlan, type Mishap } from './faults.ts'
import { type KeyPair, type KeyType, makeKey } from './keys.ts'
import { PipeMaker } from './pipes.ts'
import { type Process, processesIn, processesWithEnv, signal } from './processes.ts'
import { nobody, type TestHost } from './test-host.ts'
import { type Tree, writeTree } from './tree.ts'

export interface HostOptions {
  /** The only user that may log in. */
  readonly user?: string
  /** `none` lets everybody in, as Tailscale SSH does. */
  readonly auth?: 'publickey' | 'none'
  /** authorized_keys lines; by default the public half of `host.clientKey`. */
  readonly authorizedKeys?: readonly string[]
  readonly hostKeys?: readonly KeyType[]
  /** What its sshd is able to do, where that is not what it would be. */
  readonly algorithms?: ssh2.Algorithms
  /** Printed to stdout before each command's own output, like a noisy .bashrc. */
  readonly noise?: string
  /** Shown before authentication (`Banner` in sshd_config). */
  readonly banner?: string
  /** `nologin` prints a message and exits 1; otherwise the path of a shell that knows `-c`. */
  readonly shell?: 'nologin' | (string & {})
  readonly env?: Record<string, string>
  /** Folders before the standard PATH: stand-ins for tools that this machine lacks. */
  readonly path?: readonly string[]
  /** Instead of the standard PATH: an account that has only these folders. */
  readonly onlyPath?: readonly string[]
  /** Allow direct-tcpip, for jump hosts; a function may send names to where they are in the test. */
  readonly forward?: boolean | ((to: { host: string; port: number }) => { host: string; port: number } | undefined)
  /** What a new connection meets: SSH, nothing at all, or something else that listens there. */
  readonly greeting?: 'ssh' | 'silence' | 'garbage'
  /**
   * Commands run as the user of the test, or, when that is root, as `nobody`, so that a test run by root cannot touch
   * this machine either. `self` keeps root.
   */
  readonly runAs?: 'unprivileged' | 'self'
}

export interface EmbeddedHost extends TestHost {
  readonly address: '127.0.0.1'
  /** Every command since the start, and every attempt to log in. */
  readonly commands: CommandRecord[]
  readonly logins: { user: string; method: string; accepted: boolean }[]
  /** TCP connections since the start, and those that are open. */
  readonly connections: number
  readonly open: number
  greeting: NonNullable<HostOptions['greeting']>
  inject(fault: Fault): { readonly fired: number }
  clearFaults(): void
  reset(): void
  /** Closes the port; what is connected stays. */
  refuse(): void
  /** Opens the same port again. */
  listen(): Promise<void>
  /** SIGKILL for everything that runs there, the port closed, no goodbye. `listen()` is the boot. */
  powerCut(): void
  /** New host keys from now on, as after an installation from scratch. */
  changeHostKeys(): void
}

const standardPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * A host inside the test's own process: real sshd manners, real /bin/sh, real files, no root, a few milliseconds. Do
 * not wait for a client synchronously (execFileSync): the server could not answer.
 */
export async function startHost(options: HostOptions = {}): Promise<EmbeddedHost> {
  const host = new Host(options)
  await host.listen()
  return host
}

class Host implements EmbeddedHost {
  readonly address = '127.0.0.1'
  readonly user: string
  readonly home: string
  readonly clientKey = makeKey()
  readonly owner: { uid: number; gid: number } | undefined
  readonly commands: CommandRecord[] = []
  readonly logins: { user: string; method: string; accepted: boolean }[] = []
  readonly #options: HostOptions
  readonly #root: string
  readonly #pipes: PipeMaker
  readonly #marker = `HOMELAB_TEST_HOST=${randomUUID()}`
  readonly #faults = new FaultPlan((mishap, command) => this.#suffer(mishap, command))
  readonly #wires = new Set<Wire>()
  #keys: KeyPair[]
  #ssh: ssh2.Server
  #tcp: NetServer | undefined
  #port = 0
  #connections = 0
  #frozen = false
  #held: (() => void)[] = []
  greeting: 'ssh' | 'silence' | 'garbage'

  constructor(options: HostOptions) {
    this.#options = options
    this.user = options.user ?? 'deploy'
    this.greeting = options.greeting ?? 'ssh'
    this.owner = options.runAs !== 'self' && process.getuid?.() === 0 ? nobody : undefined
    this.#root = realpathSync(mkdtempSync(join(tmpdir(), 'homelab-host-')))
    chmodSync(this.#root, 0o711)
    this.home = join(this.#root, 'home')
    mkdirSync(this.home, { mode: 0o700 })
    if (this.owner) chownSync(this.home, this.owner.uid, this.owner.gid)
    this.#pipes = new PipeMaker(this.owner)
    this.#keys = this.#newKeys()
    this.#ssh = this.#newServer()
  }

  get port() {
    return this.#port
  }
  get target() {
    return `${this.user}@${this.address}:${this.#port}`
  }
  get hostKey() {
    return this.#keys[0] as KeyPair
  }
  get hostKeys() {
    return this.#keys
  }
  get knownHostsLine() {
    return this.hostKey.line(this.address, this.#port)
  }
  get connections() {
    return this.#connections
  }
  get open() {
    return this.#wires.size
  }

  inject(fault: Fault) {
    return this.#faults.add(fault)
  }
  clearFaults() {
    this.#faults.clear()
  }
  drop() {
    for (const { socket } of this.#wires) socket.destroy()
  }
  reset() {
    for (const { socket } of this.#wires) socket.resetAndDestroy()
  }
  freeze() {
    this.#frozen = true
    for (const wire of this.#wires) wire.freeze()
  }
  thaw() {
    this.#frozen = false
    for (const go of this.#held.splice(0)) go()
    for (const wire of this.#wires) wire.thaw()
  }
  refuse() {
    this.#tcp?.close()
    this.#tcp = undefined
  }
  powerCut() {
    this.refuse()
    for (const { pid } of this.processes()) signal(pid, 'SIGKILL')
    this.reset()
  }
  changeHostKeys() {
    this.#keys = this.#newKeys()
    this.#ssh = this.#newServer()
  }
  processes(): Process[] {
    const found = new Map<number, Process>()
    for (const each of [...processesWithEnv(this.#marker), ...processesIn(this.#root)]) found.set(each.pid, each)
    return [...found.values()]
  }
  async write(tree: Tree) {
    await writeTree(this.home, tree, { owner: this.owner })
  }

  async listen() {
    if (this.#tcp) return
    const tcp = createServer({ noDelay: true }, (socket) => this.#connected(socket))
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject)
      tcp.listen(this.#port, this.address, resolve)
    })
    this.#tcp = tcp
    this.#port = (tcp.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose]() {
    this.#faults.clear()
    this.refuse()
    this.drop()
    // Twice, because a process may start another while we look.
    for (let round = 0; round < 50; round++) {
      const alive = this.processes()
      if (alive.length === 0 && round > 0) break
      for (const { pid } of alive) signal(pid, 'SIGKILL')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    this.#pipes.close()
    rmSync(this.#root, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }

  #newKeys() {
    return (this.#options.hostKeys ?? ['ed25519']).map((type) => makeKey(type))
  }

  #newServer() {
    const { banner, algorithms } = this.#options
    const server = new ssh2.Server({
      hostKeys: this.#keys.map((key) => key.private),
      ...(banner ? { banner } : {}),
      ...(algorithms ? { algorithms } : {}),
    })
    server.on('connection', (client) => this.#client(client))
    server.on('error', () => {})
    return server
  }

  #connected(socket: Socket) {
    this.#connections++
    socket.on('error', () => {})
    if (this.greeting === 'garbage') return void socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    const wire = new Wire(socket, (total) => this.#faults.bytes(total))
    this.#wires.add(wire)
    socket.once('close', () => this.#wires.delete(wire))
    if (this.greeting === 'silence') return void socket.resume()
    this.#ssh.injectSocket(socket)
    if (this.#frozen) wire.freeze()
  }

  #client(client: ssh2.Connection) {
    const connection = this.#connections
    client.on('error', () => {})
    client.on('authentication', (attempt) => {
      const accepted = this.#mayEnter(attempt)
      if (attempt.method !== 'publickey' || attempt.signature || !accepted) {
        this.logins.push({ user: attempt.username, method: attempt.method, accepted })
      }
      if (accepted) attempt.accept()
      else attempt.reject(this.#options.auth === 'none' ? ['none'] : ['publickey'])
    })
    client.on('session', (accept) => {
      const session = accept()
      let running: ReturnType<typeof runOnChannel> | undefined
      const start = (channel: ssh2.ServerChannel, command: string) => {
        const record: CommandRecord = {
          command,
          user: this.user,
          connection,
          stdin: '',
          stdout: '',
          stderr: '',
          startedAt: Date.now(),
        }
        this.commands.push(record)
        const socket = socketOf(client)
        // What was still on the wire when the network died never arrives; what froze arrives after the thaw.
        const hold = (go: () => void) => {
          if (this.#frozen) this.#held.push(go)
          else if (!socket.destroyed) go()
        }
        this.#faults.at('input', record)
        hold(() => {
          running = runOnChannel(channel, record, this.#account(socket), this.#pipes, this.#faults, hold)
          if (socket.destroyed) running.hangUp()
          else socket.once('close', running.hangUp)
          this.#faults.at('started', record)
        })
      }
      session.on('exec', (take, _refuse, { command }) => start(take(), command))
      session.on('shell', (take) => start(take(), ''))
      session.on('signal', (take, _refuse, { name }) => {
        running?.signal(name)
        take?.()
      })
    })
    if (this.#options.forward) client.on('tcpip', (accept, refuse, info) => this.#forward(accept, refuse, info))
  }

  #mayEnter(attempt: ssh2.AuthContext): boolean {
    if (attempt.username !== this.user) return false
    if (this.#options.auth === 'none') return attempt.method === 'none'
    if (attempt.method !== 'publickey') return false
    // No hash means a signature with SHA-1, which today's sshd refuses.
    if (attempt.key.algo === 'ssh-rsa' && attempt.signature && !attempt.hashAlgo) return false
    return (this.#options.authorizedKeys ?? [this.clientKey.public]).some((line) => {
      const key = ssh2.utils.parseKey(line)
      if (key instanceof Error || !key.getPublicSSH().equals(attempt.key.data)) return false
      if (!attempt.signature || !attempt.blob) return true
      return key.verify(attempt.blob, attempt.signature, attempt.hashAlgo) === true
    })
  }

  #account(socket: Socket): Account {
    const { env = {}, path = [], onlyPath, noise = '', shell = '/bin/sh' } = this.#options
    const nologin = shell === 'nologin'
    const [marker = '', value = ''] = this.#marker.split('=')
    return {
      shell: nologin ? '/bin/sh' : shell,
      shellArgs: nologin ? ['-c', 'echo "This account is currently not available."; exit 1', 'nologin'] : ['-c'],
      home: this.home,
      env: {
        HOME: this.home,
        USER: this.user,
        LOGNAME: this.user,
        SHELL: nologin ? '/usr/sbin/nologin' : shell,
        PATH: onlyPath ? onlyPath.join(':') : [...path, standardPath].join(':'),
        SSH_CONNECTION: `127.0.0.1 ${socket.remotePort} ${this.address} ${this.#port}`,
        SSH_CLIENT: `127.0.0.1 ${socket.remotePort} ${this.#port}`,
        ...env,
        [marker]: value,
      },
      ids: this.owner,
      noise,
    }
  }

  #forward(accept: () => ssh2.ServerChannel, refuse: () => void, info: { destIP: string; destPort: number }) {
    const asked = { host: info.destIP, port: info.destPort }
    const to = typeof this.#options.forward === 'function' ? this.#options.forward(asked) : asked
    if (!to) return refuse()
    const socket = connect({ ...to, noDelay: true })
    socket.once('error', refuse)
    socket.once('connect', () => {
      socket.off('error', refuse).on('error', () => {})
      const channel = accept()
      channel.pipe(socket).pipe(channel)
      socket.once('close', () => channel.close())
      channel.on('close', () => socket.destroy())
    })
  }

  #suffer(mishap: Mishap, command?: CommandRecord) {
    if (typeof mishap === 'function') return mishap(command)
    if (mishap === 'vanish') this.refuse()
    if (mishap === 'power-cut') this.powerCut()
    else if (mishap === 'freeze') this.freeze()
    else if (mishap === 'reset') this.reset()
    else this.drop()
  }
}

function socketOf(client: ssh2.Connection): Socket {
  return (client as unknown as { _sock: Socket })._sock
}

/** One TCP connection that can be held still and counts what passes. */
class Wire {
  readonly socket: Socket
  readonly #write: Socket['write']
  #held: [unknown, ...unknown[]][] | undefined
  #bytes = 0

  constructor(socket: Socket, count: (total: number) => void) {
    this.socket = socket
    this.#write = socket.write.bind(socket)
    const add = (bytes: number) => {
      this.#bytes += bytes
      count(this.#bytes)
    }
    socket.on('data', (chunk: Buffer) => add(chunk.length))
    // ssh2 writes through this method only, so here is where its bytes can be kept back.
    socket.write = ((...args: [Buffer, ...never[]]) => {
      if (this.#held) return this.#held.push(args) > 0
      const sent = this.#write(...args)
      add(args[0].length)
      return sent
    }) as Socket['write']
    socket.pause() // the listener above made it flow; ssh2 resumes it when it is ready
  }

  freeze() {
    this.#held ??= []
    this.socket.pause()
  }

  thaw() {
    const held = this.#held ?? []
    this.#held = undefined
    for (const args of held) this.#write(...(args as [Buffer]))
    this.socket.resume()
  }
}
