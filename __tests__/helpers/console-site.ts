import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { decide } from '../../src/guard/questions.ts'
import { begin } from '../../src/guard/transaction.ts'
import { forConsole } from '../../src/pipeline/console.ts'
import type { Plan } from '../../src/pipeline/plan.ts'
import { type Change, compileTransaction, writeRelease } from '../../src/pipeline/scripts.ts'
import type { Facts } from '../../src/remote/facts.ts'
import { ownNetwork } from '../../src/remote/network.ts'
import type { ReleaseRecord } from '../../src/remote/state.ts'
import { script } from '../../src/strategies/script.ts'
import { readSource, stage } from '../../src/sync/index.ts'
import { ShellHost, until } from './armed.ts'
import { noEngine } from './engine.ts'
import type { Shell } from './local-host.ts'
import { processesIn, signal } from './processes.ts'
import { scratch } from './scratch.ts'
import { type Tree, writeTree } from './tree.ts'

export interface Said {
  readonly code: number | null
  readonly out: string
}

interface Deployed {
  readonly tree: Tree
  readonly activate?: string
  readonly revision?: string
  readonly confirmTimeout?: number
}

/** An application on this machine, deployed by the real scripts, whose program `rollback` somebody runs. */
export class ConsoleSite implements AsyncDisposable {
  readonly root: string
  readonly state: string
  readonly live: string
  readonly host: ShellHost
  readonly #shell: Shell
  #count = 0

  private constructor(root: string, shell: Shell) {
    this.root = root
    this.state = join(root, "the app's state")
    this.live = join(root, 'live tree')
    this.host = new ShellHost(shell)
    this.#shell = shell
  }

  static async create(shell: Shell): Promise<ConsoleSite> {
    const { path } = await scratch('console')
    const site = new ConsoleSite(path, shell)
    await mkdir(join(site.state, 'lock'), { recursive: true })
    return site
  }

  /** A whole deploy, confirmed; gives its id. */
  async deploy({ tree, activate = 'cp v active', revision, confirmTimeout = 20_000 }: Deployed): Promise<string> {
    this.#count += 1
    const id = `20260101-00000${this.#count}-abc`
    const source = join(this.root, 'source')
    await rm(source, { recursive: true, force: true })
    await writeTree(source, tree)
    const filters = { exclude: [], protect: ['data/', 'active'] }
    const previous = this.read('current')
    const places = {
      state: this.state,
      path: this.live,
      release: `${this.state}/releases/${id}`,
      previous: previous && `${this.state}/releases/${previous}`,
    }
    const facts = {
      init: 'other',
      user: { name: 'u', uid: 1000, home: this.root },
      state: this.state,
      tools: {},
      path: { absolute: this.live, freeKiB: 1e9, stateFreeKiB: 1e9, freeInodes: 1e9 },
      busybox: this.#shell.busybox,
    } as unknown as Facts
    const sync = { ...filters, source, path: this.live, method: 'tar', deleteLimit: 20, commit: '' } as const
    await mkdir(join(this.state, 'lock'), { recursive: true })
    await this.host.run(writeRelease(places.release, { activate }, [], {}))
    await stage(this.host, facts, places, sync, await readSource(sync), {
      temp: this.root,
      first: '',
      onProgress: () => {},
    })
    const options = { commands: ['activate'] }
    const change: Change = {
      places,
      filters,
      strategy: script.compile(options, facts),
      id,
      previousId: previous,
      name: 'shop',
      revision: revision ?? String(this.#count).repeat(40),
      tree: true,
    }
    const record: ReleaseRecord = {
      schema: 1,
      id,
      at: `2026-01-01T00:00:0${this.#count}.000Z`,
      name: 'shop',
      strategy: 'script',
      revision: change.revision,
      ref: '',
      actor: 'alice',
      run: 'https://example.com/run/7',
      path: this.live,
      ...filters,
      synced: true,
      health: [],
      backup: [],
      options,
      fingerprint: id,
    }
    const plan = {
      mode: 'deploy',
      scripts: {},
      sync,
      run: { url: 'https://example.com/run/7', actor: 'alice' },
      safety: { confirmTimeout, rollback: 'auto', keep: 5 },
    } as unknown as Plan
    const check = { text: 'tcp:localhost:1' } as never
    const parts = {
      plan,
      record,
      strategyName: 'script',
      previousRevision: '',
      lockToken: 'x',
      elapsedMs: 0,
      gated: false,
      data: {
        lines: [],
        path: this.live,
        id,
        previousId: previous,
        again: false,
        restore: false,
        migrate: false,
        key: id,
        force: false,
      },
      vitals: {
        site: {
          network: ownNetwork,
          path: this.live,
          systemctl: '',
          since: 'echo 0',
          engine: noEngine,
          state: this.state,
        },
        checks: [],
        ill: new Map(),
        before: [],
      },
    }
    const kept = forConsole(change, { ...parts, vitals: { ...parts.vitals, checks: [check] } }, facts)
    const { code, tail } = await this.host.run(begin(compileTransaction(change, { ...parts, console: kept }), facts))
    if (code !== 0) throw new Error(tail)
    await until('the activation', () => this.read('work/phase-now') === 'wait')
    await this.host.run(decide(this.state, id, 'confirmed'))
    if (this.read('current') !== id) throw new Error(`${id} was not confirmed: ${this.read('work/log.confirm')}`)
    await rm(join(this.state, 'lock'), { recursive: true })
    this.#tame()
    return id
  }

  /** With the tools of this shell and no others. */
  #tame(): void {
    const file = join(this.state, 'rollback')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^places=.*$/m, `places='${this.#shell.path}'`))
  }

  start(...args: string[]): ChildProcess & { readonly said: Promise<Said> } {
    const [program, ...first] = this.#shell.command
    const child = spawn(program, [...first, join(this.state, 'rollback'), ...args], {
      cwd: '/',
      env: { PATH: this.#shell.path, SUDO_USER: 'bob; $(x)', LANG: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const all = Promise.all([
      text(child.stdout as NodeJS.ReadableStream),
      text(child.stderr as NodeJS.ReadableStream),
      new Promise<number | null>((resolve) => child.on('close', resolve)),
    ])
    return Object.assign(child, { said: all.then(([out, err, code]) => ({ code, out: out + err })) })
  }

  async run(...args: string[]): Promise<Said> {
    return await this.start(...args).said
  }

  read(name: string): string {
    try {
      return readFileSync(join(this.state, name), 'utf8').trimEnd()
    } catch {
      return ''
    }
  }

  ledger(): Record<string, unknown>[] {
    return this.read('ledger.jsonl')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of processesIn(this.root)) signal(pid, 'SIGKILL')
    await rm(this.root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}
