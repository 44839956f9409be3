import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { parse } from 'yaml'
import { descendants, type Process, processesWithEnv, readProcess, signal } from './processes.ts'
import { problemsOf } from './report-schema.ts'
import { scratch } from './scratch.ts'
import { type Annotation, type Group, parseFileCommands, StepLog } from './workflow-commands.ts'

const root = resolve(import.meta.dirname, '../..')

export interface RunOptions {
  /** `with:` of the step. What action.yml declares and is not here gets its default, as on GitHub. */
  readonly inputs?: Record<string, string>
  readonly workspace?: string
  /** RUNNER_TEMP; one that is gone after the run unless told. */
  readonly temp?: string
  /** Values that came from `secrets.*`: hidden from the first line on, without any help of the action. */
  readonly secrets?: readonly string[]
  /** Added to, or with `undefined` taken from, the environment of the runner. */
  readonly env?: Record<string, string | undefined>
  readonly repository?: string
  readonly sha?: string
  readonly ref?: string
  readonly event?: string
  readonly runId?: string
  readonly runAttempt?: string
  /** Folders before PATH: stand-ins for the runner's tools. */
  readonly path?: readonly string[]
  readonly node?: string
  /** Instead of what action.yml says. */
  readonly main?: string
  readonly post?: string
  readonly skipPost?: boolean
  /** Cancels the job as the runner does, when a line of the log matches. */
  readonly cancelWhen?: RegExp
  /** SIGKILL at once: the runner died. Its post step never runs. */
  readonly killWhen?: RegExp
  readonly onLine?: (line: string, run: ActionRun) => void
  /** Looks at /proc every few milliseconds for what the action starts; see `processes` of the result. */
  readonly watchArgv?: boolean
  readonly timeoutMs?: number
}

export interface PhaseResult {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly durationMs: number
  /** Text that is shown: commands taken out or rewritten, masks applied. */
  readonly maskedLog: string
  /** Text as printed, before the runner reads it. */
  readonly log: string
  readonly annotations: Annotation[]
  readonly groups: Group[]
  readonly masks: string[]
  readonly outputs: Record<string, string>
  readonly state: Record<string, string>
  readonly env: Record<string, string>
  readonly summary: string
  /** Somebody still held stdout when node had ended: on GitHub the step hangs for five seconds. */
  readonly heldOpen: boolean
}

export interface RunResult extends PhaseResult {
  readonly main: PhaseResult
  readonly post: PhaseResult | undefined
  readonly errors: Annotation[]
  readonly warnings: Annotation[]
  /** What was in the file that the output `report` names. */
  readonly report: unknown
  /** With `watchArgv`: each process seen below the action, its arguments and its environment. */
  readonly processes: Process[]
  /** What still ran at the end and would be ended by the runner's clean-up. It has been ended. */
  readonly orphans: Process[]
}

export interface ActionRun {
  /** SIGINT, 7.5 s, SIGTERM, 2.5 s, SIGKILL: to node only, as the runner does it. Post runs. */
  cancel(): void
  /** One signal and nothing else. After SIGKILL no post runs. */
  kill(signal?: NodeJS.Signals): void
  /** The next line, or an earlier one, that matches. */
  line(pattern: RegExp): Promise<string>
  readonly pid: number | undefined
  readonly finished: Promise<RunResult>
}

export function runAction(options: RunOptions = {}): Promise<RunResult> {
  return startAction(options).finished
}

export function startAction(options: RunOptions = {}): ActionRun {
  return new Run(options)
}

class Run implements ActionRun {
  readonly finished: Promise<RunResult>
  readonly #options: RunOptions
  readonly #seen: string[] = []
  readonly #waiting = new Set<{ pattern: RegExp; found: (line: string) => void; lost: (error: Error) => void }>()
  #child: ChildProcess | undefined
  #cancelled = false
  #dead = false
  #over = false

  constructor(options: RunOptions) {
    this.#options = options
    this.finished = this.#run()
    void this.finished
      .catch(() => {})
      .finally(() => {
        this.#over = true
        for (const { pattern, lost } of this.#waiting) lost(new Error(`the run ended without a line like ${pattern}`))
      })
  }

  get pid() {
    return this.#child?.pid
  }

  cancel() {
    if (this.#cancelled) return
    this.#cancelled = true
    const child = this.#child
    child?.kill('SIGINT')
    const timers = [setTimeout(() => child?.kill('SIGTERM'), 7_500), setTimeout(() => child?.kill('SIGKILL'), 10_000)]
    child?.once('exit', () => timers.forEach(clearTimeout))
  }

  kill(name: NodeJS.Signals = 'SIGKILL') {
    if (name === 'SIGKILL') this.#dead = true
    this.#child?.kill(name)
  }

  line(pattern: RegExp): Promise<string> {
    const earlier = this.#seen.find((line) => pattern.test(line))
    if (earlier !== undefined) return Promise.resolve(earlier)
    if (this.#over) return Promise.reject(new Error(`the run ended without a line like ${pattern}`))
    return new Promise((found, lost) => this.#waiting.add({ pattern, found, lost }))
  }

  async #run(): Promise<RunResult> {
    await using folder = await scratch('runner')
    const options = this.#options
    const action = await readAction()
    const workspace = options.workspace ?? join(folder.path, 'work')
    const temp = options.temp ?? join(folder.path, 'temp')
    await mkdir(workspace, { recursive: true })
    await mkdir(temp, { recursive: true })
    const tracking = `github_${randomUUID()}`
    const base = environment(options, folder.path, workspace, temp, tracking, action.inputs)
    const secrets = options.secrets ?? []
    const seen = new Map<string, Process>()

    const main = await this.#phase('main', options.main ?? action.main, base, folder.path, workspace, secrets, seen)
    let post: PhaseResult | undefined
    const script = options.post ?? action.post
    if (!options.skipPost && !this.#dead && script !== undefined) {
      const state = Object.fromEntries(Object.entries(main.state).map(([name, value]) => [`STATE_${name}`, value]))
      // Masks live as long as the job.
      const hidden = [...secrets, ...main.masks]
      post = await this.#phase('post', script, { ...base, ...state }, folder.path, workspace, hidden, seen)
    }
    const orphans = processesWithEnv(`RUNNER_TRACKING_ID=${tracking}`)
    for (const { pid } of orphans) signal(pid, 'SIGKILL')

    const report = main.outputs.report
      ? JSON.parse(await readFile(main.outputs.report, 'utf8').catch(() => 'null'))
      : undefined
    // Whatever a test is about: a report that is not as it is published is a mistake, and so is one that is not there.
    const wrong = main.outputs.result && options.main === undefined ? problemsOf(report) : []
    if (wrong.length > 0) throw new Error(`The report is not as docs/report.schema.json says: ${wrong.join(', ')}`)

    const both = post ? [main, post] : [main]
    const annotations = both.flatMap((phase) => phase.annotations)
    return {
      ...main,
      main,
      post,
      durationMs: both.reduce((sum, phase) => sum + phase.durationMs, 0),
      log: both.map((phase) => phase.log).join('\n'),
      maskedLog: both.map((phase) => phase.maskedLog).join('\n'),
      annotations,
      errors: annotations.filter(({ level }) => level === 'error'),
      warnings: annotations.filter(({ level }) => level === 'warning'),
      groups: both.flatMap((phase) => phase.groups),
      masks: both.flatMap((phase) => phase.masks),
      summary: both.map((phase) => phase.summary).join(''),
      heldOpen: both.some((phase) => phase.heldOpen),
      report,
      processes: [...seen.values()],
      orphans,
    }
  }

  async #phase(
    name: 'main' | 'post',
    script: string,
    base: Record<string, string>,
    folder: string,
    workspace: string,
    secrets: readonly string[],
    seen: Map<string, Process>,
  ): Promise<PhaseResult> {
    const files: Record<string, string> = {}
    for (const file of ['OUTPUT', 'STATE', 'STEP_SUMMARY', 'ENV', 'PATH']) {
      files[`GITHUB_${file}`] = join(folder, `${file.toLowerCase()}_${randomUUID()}`)
      await writeFile(files[`GITHUB_${file}`] as string, '')
    }
    const log = new StepLog(secrets)
    const started = performance.now()
    const child = spawn(this.#options.node ?? process.execPath, [resolve(root, script)], {
      cwd: workspace,
      env: { ...base, ...files },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) this.#read(stream as Readable, name, log)
    const sampler = this.#options.watchArgv ? watch(child.pid as number, seen) : undefined
    let late = false
    const limit = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, this.#options.timeoutMs ?? 120_000)
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const [exitCode, ended] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, killedBy) => resolve([code, killedBy]))
    })
    const durationMs = performance.now() - started
    clearTimeout(limit)
    clearInterval(sampler)
    // Whoever inherited stdout keeps the step open, and the runner gives up after five seconds.
    const heldOpen = await Promise.race([closed.then(() => false), later(5_000).then(() => true)])
    for (const stream of [child.stdout, child.stderr]) stream?.destroy()
    if (late) throw new Error(`${name} did not end in time. Its log:\n${log.masked.slice(-60).join('\n')}`)
    const text = async (file: string) => await readFile(files[`GITHUB_${file}`] as string, 'utf8').catch(() => '')
    return {
      exitCode,
      signal: ended,
      durationMs,
      log: log.raw.join('\n'),
      maskedLog: log.masked.join('\n'),
      annotations: log.annotations,
      groups: log.groups,
      masks: log.masks,
      outputs: { ...log.legacy.outputs, ...parseFileCommands(await text('OUTPUT')) },
      state: { ...log.legacy.state, ...parseFileCommands(await text('STATE')) },
      env: parseFileCommands(await text('ENV')),
      summary: await text('STEP_SUMMARY'),
      heldOpen,
    }
  }

  #read(stream: Readable, phase: 'main' | 'post', log: StepLog) {
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
      log.add(line)
      this.#seen.push(line)
      const { cancelWhen, killWhen, onLine } = this.#options
      if (phase === 'main' && cancelWhen?.test(line)) this.cancel()
      if (phase === 'main' && killWhen?.test(line)) this.kill()
      onLine?.(line, this)
      for (const waiting of this.#waiting) {
        if (!waiting.pattern.test(line)) continue
        this.#waiting.delete(waiting)
        waiting.found(line)
      }
    })
  }
}

interface Action {
  readonly main: string
  readonly post: string | undefined
  readonly inputs: Record<string, string>
}

/** The runner gives every declared input a value, an empty one where there is no default. */
async function readAction(): Promise<Action> {
  const path = join(root, 'action.yml')
  if (!existsSync(path)) return { main: 'dist/index.js', post: undefined, inputs: {} }
  const { runs, inputs } = parse(await readFile(path, 'utf8')) as {
    runs: { main: string; post?: string }
    inputs?: Record<string, { default?: unknown } | null>
  }
  const defaults = Object.entries(inputs ?? {}).map(([name, input]) => [name, String(input?.default ?? '')])
  return { main: runs.main, post: runs.post, inputs: Object.fromEntries(defaults) as Record<string, string> }
}

function environment(
  options: RunOptions,
  folder: string,
  workspace: string,
  temp: string,
  tracking: string,
  defaults: Record<string, string>,
): Record<string, string> {
  const repository = options.repository ?? 'acme/shop'
  const ref = options.ref ?? 'refs/heads/main'
  const env: Record<string, string | undefined> = {
    PATH: [...(options.path ?? []), process.env.PATH].join(':'),
    HOME: folder,
    LANG: 'C.UTF-8',
    CI: 'true',
    // What is compiled once is read by all others that a test starts: a third of what a start costs.
    NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled'),
    GITHUB_ACTIONS: 'true',
    GITHUB_ACTION: '__self',
    GITHUB_ACTOR: 'octocat',
    GITHUB_TRIGGERING_ACTOR: 'octocat',
    GITHUB_API_URL: 'https://api.github.com',
    GITHUB_GRAPHQL_URL: 'https://api.github.com/graphql',
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_EVENT_NAME: options.event ?? 'push',
    GITHUB_JOB: 'deploy',
    GITHUB_REF: ref,
    GITHUB_REF_NAME: ref.replace(/^refs\/(heads|tags)\//, ''),
    GITHUB_REF_TYPE: ref.startsWith('refs/tags/') ? 'tag' : 'branch',
    GITHUB_REPOSITORY: repository,
    GITHUB_REPOSITORY_OWNER: repository.split('/')[0],
    GITHUB_RUN_ATTEMPT: options.runAttempt ?? '1',
    GITHUB_RUN_ID: options.runId ?? '4242',
    GITHUB_RUN_NUMBER: '7',
    GITHUB_SHA: options.sha ?? '0123456789abcdef0123456789abcdef01234567',
    GITHUB_WORKFLOW: 'Deploy',
    GITHUB_WORKFLOW_REF: `${repository}/.github/workflows/deploy.yml@${ref}`,
    GITHUB_WORKSPACE: workspace,
    RUNNER_ARCH: process.arch === 'arm64' ? 'ARM64' : 'X64',
    RUNNER_ENVIRONMENT: 'self-hosted',
    RUNNER_NAME: 'test',
    RUNNER_OS: 'Linux',
    RUNNER_TEMP: temp,
    RUNNER_TOOL_CACHE: join(folder, 'tools'),
    RUNNER_TRACKING_ID: tracking,
    RUNNER_WORKSPACE: folder,
  }
  for (const [name, value] of Object.entries({ ...defaults, ...options.inputs })) {
    env[`INPUT_${name.replaceAll(' ', '_').toUpperCase()}`] = value
  }
  Object.assign(env, options.env)
  return Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined))
}

/** A process that lives for less than a few milliseconds may slip through: what this finds is true, not complete. */
function watch(pid: number, seen: Map<string, Process>): NodeJS.Timeout {
  return setInterval(() => {
    for (const child of descendants(pid)) {
      const found = readProcess(child)
      const key = `${child} ${found.argv.join(' ')}`
      if (found.argv.length > 0 && !seen.has(key)) seen.set(key, found)
    }
  }, 3)
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
