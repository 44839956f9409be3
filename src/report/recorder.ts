import { toDeployError } from '../errors.ts'
import type {
  Changes,
  CommitsRecord,
  FailureRecord,
  HealthRecord,
  HostRecord,
  NoteRecord,
  PlanRecord,
  ReleaseRef,
  Report,
  Result,
  RunRecord,
  StatusRecord,
  UsualRecord,
} from './report.ts'
import { StepList, type StepNote } from './steps.ts'

export type { StepNote }

/** What is known before the first step. */
export interface About {
  readonly mode: string
  readonly name: string
  readonly strategy: string
  readonly environment: string
  readonly url: string
  readonly hosts: readonly string[]
  readonly path: string
  readonly run: RunRecord
}

/** What is known of one host of the run. */
export interface MachineRecord {
  /** `user@host` */
  readonly host: string
  system: string
  hostKey: string
  /** How packets get there, where the network can tell: `direct, 2 ms`. */
  network: string
  /** `user@host` of the jump host, if one leads there. */
  jump?: string
  changed: boolean
  before: ReleaseRef | undefined
  after: ReleaseRef | undefined
  changes: Changes | undefined
  health: readonly HealthRecord[]
  /** What the version that came back was like. */
  healthAfter?: readonly HealthRecord[]
  usual?: UsualRecord | undefined
  /** Where it differs from that of the run. */
  result: Result | undefined
  plan?: PlanRecord
  status?: StatusRecord
}

/** Filled in by the pipeline as the run goes; can be finished at any moment, even in the middle of a step. */
export class Recorder {
  /** Failed, until somebody knows better: a run that ends in no known way was no success. */
  result: Result = 'failed'
  mode: string
  name: string
  strategy: string
  environment: string
  url: string
  hosts: readonly string[]
  path: string
  run: RunRecord
  /** One for each host that was reached for, the canary first. */
  readonly machines: MachineRecord[] = []
  commits: CommitsRecord | undefined
  /** The first line of the message of the commit that is deployed. */
  subject = ''
  readonly warnings: string[] = []
  readonly notes: NoteRecord[] = []
  readonly #now: () => number
  readonly #began: number
  readonly #startedAt = new Date().toISOString()
  readonly #steps = new StepList(() => this.#elapsed())
  #failure: FailureRecord | undefined
  /** What the first step that failed threw. */
  #thrown: unknown
  #rollbackFailure: FailureRecord | undefined

  constructor(about: About, now: () => number = () => performance.now()) {
    this.mode = about.mode
    this.name = about.name
    this.strategy = about.strategy
    this.environment = about.environment
    this.url = about.url
    this.hosts = about.hosts
    this.path = about.path
    this.run = about.run
    this.#now = now
    this.#began = now()
  }

  machine(host: string): MachineRecord {
    const [before, after, changes, result] = [undefined, undefined, undefined, undefined]
    const machine: MachineRecord = {
      host,
      system: '',
      hostKey: '',
      network: '',
      changed: false,
      before,
      after,
      changes,
      health: [],
      result,
    }
    this.machines.push(machine)
    return machine
  }

  /** One row of the table. What is thrown goes on its way; the innermost step is remembered as the place. */
  async step<T>(name: string, work: (step: StepNote) => Promise<T>): Promise<T> {
    try {
      return await this.#steps.run(name, work)
    } catch (thrown) {
      this.#thrown ??= thrown
      throw thrown
    }
  }

  /** The cause. The first one stays: what comes later is mostly its consequence. */
  fail(thrown: unknown, step = this.#steps.place): void {
    this.#failure ??= recordOf(thrown, step)
    this.#steps.forget()
  }

  /** What went wrong while the cause was being undone. */
  failRollback(thrown: unknown, step = this.#steps.place): void {
    this.#rollbackFailure ??= recordOf(thrown, step)
    this.#steps.forget()
  }

  /** What was taken for a failure came after the end was reached. */
  forgive(): void {
    this.#failure = undefined
  }

  get failure(): FailureRecord | undefined {
    return this.#failure
  }

  /** The code of the failure, also while it is still on its way out: what tidies up writes it down. */
  get code(): string {
    return this.#failure?.code ?? (this.#thrown === undefined ? '' : toDeployError(this.#thrown).code)
  }

  finish(): Report {
    const { result, mode, name, strategy, environment, url, hosts, path } = this
    const [canary = this.machine('')] = this.machines
    const changed = this.machines.some((machine) => machine.changed)
    return {
      schema: 1,
      result,
      mode,
      name,
      strategy,
      environment,
      url,
      hosts: [...hosts],
      system: canary.system,
      hostKey: canary.hostKey,
      ...(canary.network && { network: canary.network }),
      ...(canary.jump && { jump: canary.jump }),
      path,
      ...refs(canary, this.subject),
      // Put back is as it was: nobody who went that far has to remember to take this back too.
      changed: changed && result !== 'rolled-back',
      ...(canary.changes && { changes: onlyChanges(canary.changes) }),
      ...(this.commits && { commits: this.commits }),
      ...(canary.usual && { usual: canary.usual }),
      steps: this.#steps.records(),
      health: [...canary.health],
      ...(canary.healthAfter && { healthAfter: canary.healthAfter }),
      ...(this.machines.length > 1 && { machines: this.machines.map((machine) => recordOfMachine(machine, result)) }),
      ...(this.#failure && { failure: this.#failure }),
      ...(this.#rollbackFailure && { rollbackFailure: this.#rollbackFailure }),
      ...perMachine(this.machines),
      warnings: [...this.warnings],
      notes: [...this.notes],
      run: this.run,
      startedAt: this.#startedAt,
      durationMs: this.#elapsed(),
    }
  }

  get elapsedMs(): number {
    return this.#elapsed()
  }

  #elapsed(): number {
    return Math.round(this.#now() - this.#began)
  }
}

function perMachine(machines: readonly MachineRecord[]): Pick<Report, 'plan' | 'status'> {
  const plan = machines.flatMap((machine) => machine.plan ?? [])
  const status = machines.flatMap((machine) => machine.status ?? [])
  return { ...(plan.length > 0 && { plan }), ...(status.length > 0 && { status }) }
}

function refs({ before, after }: MachineRecord, subject = ''): { before?: ReleaseRef; after?: ReleaseRef } {
  return {
    ...(isKnown(before) && { before }),
    ...(isKnown(after) && { after: { ...after, ...(subject && { subject }) } }),
  }
}

function recordOfMachine(machine: MachineRecord, result: Result): HostRecord {
  const { host, system, hostKey, changed, health } = machine
  return { host, system, hostKey, result: machine.result ?? result, changed, ...refs(machine), health: [...health] }
}

/** On a host that has no release yet there is nothing to name. */
function isKnown(release: ReleaseRef | undefined): release is ReleaseRef {
  return release !== undefined && (release.id !== '' || release.revision !== '')
}

/** Whoever counted the changes may know more than the published schema does. */
function onlyChanges({ added, changed, removed, counts, bytesSent }: Changes): Changes {
  const { added: more, changed: other, removed: fewer } = counts
  return { added, changed, removed, counts: { added: more, changed: other, removed: fewer }, bytesSent }
}

function recordOf(thrown: unknown, step: string): FailureRecord {
  const { code, what, why, fix, detail } = toDeployError(thrown)
  return { code, step, what, why, fix, detail }
}
