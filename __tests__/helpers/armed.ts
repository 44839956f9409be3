import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { settle } from '../../src/guard/guard.ts'
import { decide } from '../../src/guard/questions.ts'
import { begin, type Limits, type Transaction } from '../../src/guard/transaction.ts'
import type { Facts } from '../../src/remote/facts.ts'
import { assign } from '../../src/shell.ts'
import { LocalHost, type Shell } from './local-host.ts'
import { type Process, processesIn, readProcess, signal } from './processes.ts'
import { scratch } from './scratch.ts'

/** Not only the scripts of the runner, also those that the host starts by itself run in this shell. */
export class ShellHost extends LocalHost {
  readonly #sh: string

  constructor(shell: Shell) {
    super(shell)
    this.#sh = shell.command.join(' ')
  }

  override async run(script: string) {
    return await super.run(script.replaceAll('/bin/sh', this.#sh))
  }
}

/** Makes both files new, and can be seen half-way. */
export const makeNew = 'echo new >"$live/a"; sleep 0.2; echo new >"$live/b"'

const plain: Pick<Transaction, 'phases' | 'restore' | 'confirm' | 'forget' | 'evidence' | 'snapshot'> = {
  snapshot: 'mkdir -p "$work"; cp "$live/a" "$work/a"; cp "$live/b" "$work/b"',
  phases: { switch: makeNew, apply: 'echo activated' },
  restore: 'cp "$work/a" "$live/a" && cp "$work/b" "$live/b"',
  confirm: 'echo 2 >"$state/current"',
  forget: '',
  evidence: 'echo what was seen',
}

const host = { init: 'other', user: { name: 'u', uid: 1000, home: '/nowhere' }, state: '' }
const unhurried: Limits = { silenceSeconds: 60, evidenceSeconds: 20 }

/** An application on this machine, two files of which a transaction changes from old to new. */
export class Armed implements AsyncDisposable {
  readonly root: string
  readonly state: string
  readonly live: string
  readonly work: string
  readonly host: ShellHost
  #facts = host

  private constructor(root: string, shell: Shell) {
    this.root = root
    this.state = join(root, "the app's state")
    this.live = join(root, 'live tree')
    this.work = join(this.state, 'work')
    this.host = new ShellHost(shell)
  }

  static async create(shell: Shell): Promise<Armed> {
    const { path } = await scratch('guard')
    const site = new Armed(path, shell)
    await mkdir(join(site.state, 'lock'), { recursive: true })
    await mkdir(site.live)
    await writeFile(join(site.live, 'a'), 'old\n')
    await writeFile(join(site.live, 'b'), 'old\n')
    await writeFile(join(site.state, 'lock/token'), 'the-token\n')
    await writeFile(join(site.state, 'lock/beat'), '1\n')
    return site
  }

  /** As if systemd were there, with its units below a home of our own. */
  withSystemd(): string {
    this.#facts = { ...host, init: 'systemd', user: { ...host.user, home: join(this.root, 'home') } }
    return join(this.root, 'home/.config/systemd/user')
  }

  async arm(parts: Partial<Transaction> = {}, limits: Limits = unhurried): Promise<void> {
    const { code, tail } = await this.host.run(this.script(parts, limits))
    if (code !== 0) throw new Error(tail)
  }

  script(parts: Partial<Transaction> = {}, limits: Limits = unhurried): string {
    return begin(
      {
        state: this.state,
        id: '2',
        previousId: '1',
        run: 'https://example.com/run/7',
        elapsedMs: 1_000,
        head: assign({ live: this.live }),
        confirmSeconds: 60,
        rollback: 'auto',
        lockToken: 'the-token',
        gated: false,
        ...plain,
        ledger: {
          mode: 'deploy',
          strategy: 'script',
          release: '2',
          previous: '1',
          revision: 'abc',
          previousRevision: 'ünïcode "quoted" \\',
          actor: 'me',
          run: 'https://example.com/run/7',
        },
        ...parts,
      },
      { ...this.#facts, state: this.state } as unknown as Facts,
      limits,
    )
  }

  async decide(decision: 'confirmed' | 'refused', code = ''): Promise<string> {
    return (await this.host.run(decide(this.state, '2', decision, code))).text
  }

  /** What the next run does, or the unit at boot. */
  async settle(): Promise<string | undefined> {
    const { verdict } = await settle(this.host, this.state, '2')
    return verdict && [verdict.end, verdict.why].filter(Boolean).join(' ')
  }

  /** The last word, which the host says by itself. */
  async verdict(): Promise<string> {
    return await until('the verdict', () => this.read('work/verdict') || this.read('verdict').replace(/^2 /, ''))
  }

  /** Until this phase (or `wait`, or `restore`) is under way. */
  async reached(phase: string): Promise<void> {
    await until(phase, () => this.read('work/phase-now') === phase)
  }

  async kill(): Promise<void> {
    const pid = Number(await until('the number of the guard', () => this.read('work/pid')))
    signal(pid, 'SIGKILL')
    await until('the end of the guard', () => readProcess(pid).argv.length === 0)
  }

  /** A file of the state directory without the line break at its end; empty when it is not there. */
  read(name: string): string {
    try {
      return readFileSync(join(this.state, name), 'utf8').trimEnd()
    } catch {
      return ''
    }
  }

  has(name: string): boolean {
    return existsSync(join(this.state, name))
  }

  async tree(): Promise<string> {
    const files = await Promise.all(['a', 'b'].map((name) => readFile(join(this.live, name), 'utf8')))
    return files.map((text) => text.trim()).join(' ')
  }

  ledger(): Record<string, unknown>[] {
    return this.read('ledger.jsonl')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  results(): unknown[] {
    return this.ledger().map(({ result }) => result)
  }

  /** Everything that the change started and that still stands in its folders. */
  processes(): Process[] {
    return processesIn(this.root)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of this.processes()) signal(pid, 'SIGKILL')
    await rm(this.root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

/** Waits for something that comes by itself. */
export async function until<T>(what: string, look: () => T, ms = 20_000): Promise<NonNullable<T>> {
  const end = performance.now() + ms
  for (;;) {
    const seen = look()
    if (seen) return seen
    if (performance.now() > end) throw new Error(`${what} did not come within ${ms} ms`)
    await sleep(20)
  }
}
