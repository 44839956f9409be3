import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { descendants, signal } from '../helpers/processes.ts'
import { until } from './command.ts'

export interface MachineParts {
  readonly name: string
  readonly folder: string
  /** Image folders, the topmost first. */
  readonly lower: readonly string[]
  readonly namespace: string
  /** Control groups that the guest's init owns. */
  readonly cgroups: readonly string[]
  /** A size such as `200m`: the disk is then that big (and in memory), and can be full. */
  readonly disk: string | undefined
  readonly nspawn: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/**
 * The holder of a host: it lives as long as the host exists, keeps the host's disk mounted where nobody else sees it
 * (so there is nothing to unmount), starts systemd-nspawn, starts it again when the guest reboots (133 is how nspawn
 * says so under --keep-unit), and, when the power is off, waits for a line to boot again. No more lines: the end.
 */
const holder = `folder=$1 lower=$2 disk=$3 groups=$4; shift 4
[ -z "$disk" ] || mount -t tmpfs -o "size=$disk" lab-disk "$folder/disk"
mkdir -p "$folder/disk/upper" "$folder/disk/work"
cp -a "$folder/seed/." "$folder/disk/upper/"
mount -t overlay lab-root -o "lowerdir=$lower,upperdir=$folder/disk/upper,workdir=$folder/disk/work" "$folder/root"
while :; do
  sh -c 'for group in $0; do echo $$ > "$group/cgroup.procs"; done; exec "$@"' "$groups" "$@" </dev/null && code=0 || code=$?
  [ "$code" = 133 ] && continue
  echo "homelab: powered off ($code)"
  read -r _ || exit 0
done`

/** A machine with a power switch. */
export class Machine {
  readonly #parts: MachineParts
  readonly #process: ChildProcess

  constructor(parts: MachineParts) {
    this.#parts = parts
    const { folder, name } = parts
    const nspawn = [
      ...[
        'systemd-nspawn',
        '--quiet',
        '--boot',
        `--directory=${folder}/root`,
        `--machine=${name}`,
        `--hostname=${name}`,
      ],
      // No unit and no registration: there may be no systemd on this machine to ask for them.
      ...['--register=no', '--keep-unit', `--network-namespace-path=/run/netns/${parts.namespace}`],
      ...[
        '--console=read-only',
        '--resolv-conf=off',
        '--timezone=off',
        '--link-journal=no',
        '--capability=CAP_NET_ADMIN',
      ],
      ...parts.nspawn,
    ]
    const log = openSync(join(folder, 'console.log'), 'a')
    const held = [folder, parts.lower.join(':'), parts.disk ?? '', parts.cgroups.join(' ')]
    const script = ['sh', '-euc', holder, 'homelab-host', ...held, ...nspawn]
    this.#process = spawn('unshare', ['--mount', '--propagation', 'slave', ...script], {
      stdio: ['pipe', log, log],
      env: { PATH: process.env.PATH ?? '', SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1', ...parts.env },
      detached: true, // Ctrl-C is for the tests; the lab is ended in order
    })
    closeSync(log)
    this.#process.on('error', () => {})
    this.#process.stdin?.on('error', () => {})
  }

  /** The guest's pid 1 as this machine numbers it, or undefined while the power is off. */
  get leader(): number | undefined {
    return descendants(this.#process.pid as number).find((pid) => {
      try {
        // The last number is the one that the process has in its own namespace.
        return /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
      } catch {
        return false
      }
    })
  }

  /** Waits for a guest other than the given one. */
  async started(other?: number): Promise<number> {
    let leader: number | undefined
    await this.#alive(`${this.#parts.name} to boot`, () => {
      leader = this.leader
      return leader !== undefined && leader !== other
    })
    return leader as number
  }

  /** Pulls the power cord: killing pid 1 ends every process of the guest at once. */
  async powerOff(): Promise<void> {
    const { leader } = this
    if (leader === undefined) return
    // Not nspawn itself: its guest would live on as an orphan.
    signal(leader, 'SIGKILL')
    await this.#alive(
      `${this.#parts.name} to lose its power`,
      () => descendants(this.#process.pid as number).length === 0,
    )
  }

  powerOn(): void {
    this.#process.stdin?.write('\n')
  }

  async end(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      await this.powerOff().catch(() => {})
      const gone = new Promise((resolve) => this.#process.once('exit', resolve))
      this.#process.stdin?.end()
      await gone
    }
  }

  async console(): Promise<string> {
    return await readFile(join(this.#parts.folder, 'console.log'), 'utf8').catch(() => '')
  }

  async #alive(what: string, done: () => boolean): Promise<void> {
    const dead = () => this.#process.exitCode !== null
    try {
      await until(what, () => done() || dead(), 20_000, 5)
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${(await this.console()).slice(-2_000)}`)
    }
    if (dead()) throw new Error(`the holder of ${this.#parts.name} ended:\n${(await this.console()).slice(-2_000)}`)
  }
}
