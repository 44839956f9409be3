import { type ChildProcess, spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { parseCommand } from '../helpers/workflow-commands.ts'
import { programOf, type RunnerName, serverOf } from './programs.ts'

/** One line of the log, as the runner writes it for programs. */
interface Entry {
  readonly level?: string
  readonly msg?: string
  readonly stage?: 'Pre' | 'Main' | 'Post'
  readonly step?: string
  readonly stepResult?: string
  readonly command?: string
  readonly content?: string
  readonly matrix?: Readonly<Record<string, string>>
}

export interface WorkflowOptions {
  readonly repository: string
  /** A folder for all that the runner itself writes. */
  readonly home: string
  /** The folder that `org/homelab-deploy@v1` is. */
  readonly action: string
  readonly event: 'push' | 'workflow_dispatch'
  readonly inputs?: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, string>>
  readonly vars: Readonly<Record<string, string>>
  /** Variables that the runner sets. */
  readonly env?: Readonly<Record<string, string>>
}

/** A workflow while it runs. */
export class Workflow {
  readonly finished: Promise<WorkflowResult>
  readonly #child: ChildProcess
  readonly #entries: Entry[] = []
  readonly #waiting = new Map<string, () => void>()

  constructor(runner: RunnerName, { repository, home, action, event, ...given }: WorkflowOptions) {
    const { secrets, vars, inputs = {} } = given
    // What the part of Gitea's runner adds that speaks with the server.
    const env = { ...(runner === 'gitea' && { GITEA_ACTIONS: 'true' }), ...given.env }
    const each = (flag: string, names: Readonly<Record<string, string>>) =>
      Object.entries(names).flatMap(([name, value]) => [flag, `${name}=${value}`])
    const args = [
      ...[event, '--json', '--platform', 'ubuntu-latest=-self-hosted', '--no-cache-server'],
      ...['--local-repository', `org/homelab-deploy@v1=${action}`],
      ...['--github-instance', serverOf(runner)],
      // Secrets by name only: their values are in the environment of the runner.
      ...Object.keys(secrets).flatMap((name) => ['--secret', name]),
      ...[...each('--var', vars), ...each('--input', inputs), ...each('--env', env)],
    ]
    this.#child = spawn(programOf(runner), args, {
      cwd: repository,
      // The first node of the path is the one that runs actions, whatever they ask for.
      env: { ...secrets, PATH: `${dirname(process.execPath)}:${process.env.PATH}`, HOME: home, XDG_CACHE_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.finished = this.#run()
  }

  /** As somebody who presses Ctrl-C, or cancels the run on the page of the forge. */
  async cancel(): Promise<void> {
    this.#child.kill('SIGINT')
    await this.finished
  }

  line(text: string): Promise<void> {
    if (this.#entries.some(({ msg }) => msg?.includes(text))) return Promise.resolve()
    return new Promise((found, lost) => {
      this.#waiting.set(text, found)
      void this.finished.then(({ log }) => lost(new Error(`no line with ${text} in:\n${log}`)), lost)
    })
  }

  async #run(): Promise<WorkflowResult> {
    for (const stream of [this.#child.stdout, this.#child.stderr])
      createInterface({ input: stream as NodeJS.ReadableStream }).on('line', (line) => {
        const entry: Entry = line.startsWith('{') ? JSON.parse(line) : { msg: line }
        if (entry.level === 'debug') return
        this.#entries.push(entry)
        for (const [text, found] of this.#waiting) if (entry.msg?.includes(text)) found()
      })
    const code = await new Promise<number | null>((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', resolve)
    })
    return new WorkflowResult(code, this.#entries)
  }
}

export class WorkflowResult {
  readonly code: number | null
  readonly #entries: readonly Entry[]

  constructor(code: number | null, entries: readonly Entry[]) {
    this.code = code
    this.#entries = entries
  }

  /** What is read on the page of the run. */
  get log(): string {
    return this.#entries.map(({ msg }) => msg?.trimEnd() ?? '').join('\n')
  }

  get summary(): string {
    return this.#entries.map(({ command, content }) => (command === 'summary' ? content : '')).join('')
  }

  /** The error annotations. Gitea's engine writes each of them twice. */
  get errors(): string[] {
    const errors = this.#commands(this.#entries).filter(({ name }) => name === 'error')
    return [...new Set(errors.map(({ message }) => message.trim()))]
  }

  /** `Main org/homelab-deploy@v1: success`, in their order. */
  get steps(): string[] {
    return this.#entries.flatMap(({ stage, step, stepResult }) =>
      stage && stepResult ? [`${stage} ${step?.split('\n')[0]}: ${stepResult}`] : [],
    )
  }

  /** What the runner read of the file of outputs: of all steps, or of those in the job of the matrix where this value is. */
  outputs(matrix?: string): Record<string, string> {
    const entries = this.#entries.filter(
      (entry) => matrix === undefined || Object.values(entry.matrix ?? {}).includes(matrix),
    )
    const pairs = this.#commands(entries).flatMap(({ name, message }) =>
      name === 'set-output' ? [message.trim().split(/=(.*)/s).slice(0, 2) as [string, string]] : [],
    )
    return Object.fromEntries(pairs)
  }

  /** act puts a sign before a command, and an engine of Gitea's does not. */
  #commands(entries: readonly Entry[]) {
    return entries.flatMap(({ msg = '' }) => parseCommand(msg.replace(/^\s*\S+\s+(?=::)/, '')) ?? [])
  }
}
