import { mkdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type KeyPair, makeKey } from '../helpers/keys.ts'
import { type Tree, writeTree } from '../helpers/tree.ts'
import { Machine } from './boot.ts'
import { guestCgroups, makeCgroups, removeCgroups } from './cgroup.ts'
import { attempt, type Outcome, until } from './command.ts'
import { accounts, authorizedKeysFile, type User } from './image.ts'
import { ensureLayers, expand, layers } from './layers.ts'
import { addressOf, cut, type Direction, mend, netns, plug, unplug } from './network.ts'
import { hostsFolder } from './paths.ts'

export interface LabHostOptions {
  /** Host name, and name of its folder in the lab. */
  readonly name?: string
  /** Names of layers.ts. */
  readonly layers?: readonly string[]
  /** Who `target` and `user` speak of. */
  readonly user?: User
  /** Size of a disk that can be filled, such as `200m`. It is in memory. */
  readonly disk?: string
  /** More arguments of systemd-nspawn. */
  readonly nspawn?: readonly string[]
}

/** What differs between systems; the rest of a lab host is the same for all of them. */
export interface System {
  readonly lower: readonly string[]
  readonly nspawn: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly folders: readonly string[]
  /** Files to find at the first boot. */
  readonly seed: (keys: readonly KeyPair[], client: KeyPair, name: string) => Tree
  /** Whether a login would succeed, once sshd answers. */
  readonly ready: (root: string) => boolean | Promise<boolean>
  readonly reboot: string
  readonly stopSshd: string
  readonly startSshd: string
}

/** A real host on the lab's network: its own kernel namespaces, init, sshd, users and disk. */
export class LabHost implements AsyncDisposable {
  readonly name: string
  readonly address: string
  readonly port = 22
  readonly user: User
  readonly clientKey: KeyPair
  readonly hostKeys: readonly KeyPair[]
  /** The host's own folder on this machine. */
  readonly folder: string
  readonly #number: number
  readonly #system: System
  readonly #machine: Machine
  readonly #limited: boolean

  constructor(
    name: string,
    number: number,
    options: LabHostOptions,
    system: System,
    keys: readonly KeyPair[],
    clientKey: KeyPair,
  ) {
    this.name = name
    this.#number = number
    this.address = addressOf(number)
    this.user = options.user ?? 'deploy'
    this.hostKeys = keys
    this.clientKey = clientKey
    this.folder = join(hostsFolder, name)
    this.#system = system
    this.#limited = options.disk !== undefined
    this.#machine = new Machine({
      name,
      folder: this.folder,
      lower: system.lower,
      namespace: netns(name),
      cgroups: makeCgroups(name),
      disk: options.disk,
      nspawn: [...system.nspawn, ...(options.nspawn ?? [])].map((text) => expand(text, this.folder)),
      env: system.env,
    })
  }

  get target() {
    return `${this.user}@${this.address}`
  }
  get hostKey() {
    return this.hostKeys[0] as KeyPair
  }
  /** One line of the key that is shown first; `hostKeys` has the others. */
  get knownHostsLine() {
    return this.hostKey.line(this.address, this.port)
  }
  /** The host's root folder as seen from this machine. Only while the power is on. */
  get root() {
    return `/proc/${this.#leader}/root`
  }

  /** Shell as root, or as a user, without the network: it works while sshd is down or the cable is cut. */
  async sh(script: string, options: { user?: User; input?: string } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.try(script, options)
    if (code === 0) return stdout.replace(/\n+$/, '')
    throw new Error(`on ${this.name}: ${script}\nexit ${code}\n${stderr}${stdout}`)
  }

  async try(script: string, { user = 'root', input }: { user?: User; input?: string } = {}): Promise<Outcome> {
    const spaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--root', '--wd']
    const env = [
      'env',
      '-i',
      `HOME=${accounts[user].home}`,
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ]
    const shell = user === 'root' ? ['/bin/sh', '-c', script] : ['su', '-s', '/bin/sh', user, '-c', script]
    const enter = 'for group in $0; do echo $$ > "$group/cgroup.procs"; done; exec nsenter "$@"'
    const groups = guestCgroups(this.name).join(' ')
    const command = ['sh', '-c', enter, groups, '--target', `${this.#leader}`, ...spaces, ...env, ...shell]
    return await attempt(command, { input })
  }

  /** Files, put there from outside, owned by a user. */
  async write(folder: string, tree: Tree, user: User = this.user): Promise<void> {
    await writeTree(`${this.root}${folder}`, tree, { owner: accounts[user] })
  }

  /** An orderly reboot: services stop, the disk stays. Resolves when one can log in again. */
  async reboot(): Promise<void> {
    const before = this.#leader
    await this.try(this.#system.reboot) // the connection of the command may be cut before it can answer
    await this.#machine.started(before)
    await this.answers()
  }

  /** A power cut: everything ends at once and nothing is said. `boot()` gives the power back. */
  async kill(): Promise<void> {
    await this.#machine.powerOff()
  }

  async boot(): Promise<void> {
    this.#machine.powerOn()
    await this.#machine.started()
    await this.answers()
  }

  /** Drops packets without a word: all, or only those that come in, or only those that go out. */
  async cutNetwork(direction: Direction = 'both'): Promise<void> {
    await cut(this.#number, direction)
  }

  async restoreNetwork(): Promise<void> {
    await mend(this.#number)
  }

  /** Leaves no byte free. Needs the option `disk`, or this machine's own disk would be the one that is full. */
  async fillDisk(): Promise<void> {
    if (!this.#limited) throw new Error('fillDisk() needs a host with a disk of its own: labHost({ disk: "300m" })')
    await this.sh(
      'cat /dev/zero > /var/filler 2>/dev/null; for n in 1 2 3 4; do echo x >> /var/filler; done 2>/dev/null; true',
    )
  }

  async freeDisk(): Promise<void> {
    await this.sh('rm -f /var/filler')
  }

  /** Connections are refused from now on; those that are open stay. */
  async stopSshd(): Promise<void> {
    await this.sh(this.#system.stopSshd)
  }

  async startSshd(): Promise<void> {
    await this.sh(this.#system.startSshd)
    await this.answers()
  }

  /** Waits until sshd greets and lets users in. */
  async answers(timeoutMs = 30_000): Promise<void> {
    const greeted = async () => (await this.#system.ready(this.root)) && (await greets(this.address, this.port))
    await until(`ssh on ${this.name}`, () => greeted().catch(() => false), timeoutMs, 20).catch(
      async (error: Error) => {
        throw new Error(`${error.message}\n${(await this.console()).slice(-2_000)}`)
      },
    )
  }

  /** What the host has printed while booting. */
  console(): Promise<string> {
    return this.#machine.console()
  }

  async [Symbol.asyncDispose]() {
    await this.#machine.end()
    await unplug(this.name, this.#number)
    await removeCgroups(this.name)
    await rm(this.folder, { recursive: true, force: true })
    await rm(join(hostsFolder, `.number-${this.#number}`), { recursive: true, force: true })
  }

  get #leader(): number {
    const { leader } = this.#machine
    if (leader === undefined) throw new Error(`${this.name} is off`)
    return leader
  }

  /** Makes the host's place, starts it, and waits for it; takes everything back when that fails. */
  static async start(options: LabHostOptions, system: System): Promise<LabHost> {
    const number = await takeNumber()
    const name = await takeName(options.name ?? 'host', number)
    const folder = join(hostsFolder, name)
    const keys = [makeKey('ed25519'), makeKey('ecdsa')]
    const client = makeKey()
    for (const each of ['seed', 'disk', 'root', 'data']) await mkdir(join(folder, each))
    for (const each of system.folders) await mkdir(join(folder, 'data', each), { recursive: true })
    await writeTree(join(folder, 'seed'), system.seed(keys, client, name))
    await plug(name, number)
    const host = new LabHost(name, number, options, system, keys, client)
    try {
      await host.#machine.started()
      await host.answers()
    } catch (error) {
      await host[Symbol.asyncDispose]()
      throw error
    }
    return host
  }
}

/** Debian with systemd and OpenSSH, with the layers that were asked for; half a second. */
export async function labHost(options: LabHostOptions = {}): Promise<LabHost> {
  const chosen = (options.layers ?? []).map((name) => layers[name]).filter((layer) => layer !== undefined)
  return await LabHost.start(options, {
    lower: await ensureLayers(options.layers ?? []),
    nspawn: chosen.flatMap((layer) => layer.nspawn ?? []),
    env: Object.assign({}, ...chosen.map((layer) => layer.env ?? {})) as Record<string, string>,
    folders: chosen.flatMap((layer) => layer.folders ?? []),
    seed: (keys, client, name) => ({
      ...seedHostKeys(keys),
      'etc/hostname': `${name}\n`,
      'etc/hosts': `127.0.0.1 localhost\n127.0.1.1 ${name}\n`,
      [authorizedKeysFile.slice(1)]: `${client.public}\n`,
    }),
    // While it is there, PAM lets only root in.
    ready: async (root) => (await attempt(['test', '-e', `${root}/run/nologin`])).code === 1,
    reboot: 'systemctl reboot',
    stopSshd: 'systemctl stop ssh.socket ssh.service',
    startSshd: 'systemctl start ssh.service',
  })
}

export function seedHostKeys(keys: readonly KeyPair[]): Tree {
  const files = keys.flatMap((key) => {
    const name = `etc/ssh/ssh_host_${key.type.startsWith('ecdsa') ? 'ecdsa' : 'ed25519'}_key`
    return [[name, { text: key.private, mode: 0o600 }] as const, [`${name}.pub`, `${key.public}\n`] as const]
  })
  return Object.fromEntries(files)
}

/** The name itself, unless another story has a host of that name at the moment. */
async function takeName(name: string, number: number): Promise<string> {
  const free = name === 'host' ? [`host${number}`] : [name, `${name}${number}`]
  for (const each of free) {
    try {
      await mkdir(join(hostsFolder, each))
      return each
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  throw new Error(`there is a host ${name} already`)
}

/** Numbers are taken by making a folder, which only one can do: several test processes may start hosts at once. */
async function takeNumber(): Promise<number> {
  for (let number = 11; number < 250; number++) {
    try {
      await mkdir(join(hostsFolder, `.number-${number}`))
      return number
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        throw new Error('the lab is not up: run these tests by "npm run lab"')
    }
  }
  throw new Error('the lab has no address left')
}

async function greets(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 })
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket
      .once('data', (text) => end(text.toString().startsWith('SSH-')))
      .once('error', () => end(false))
      .once('timeout', () => end(false))
    socket.once('close', () => resolve(false))
  })
}
