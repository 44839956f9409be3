/** Everything the summary, the outputs and the JSON report are made of: pure data, filled in as the run goes. */

export const results = [
  'deployed',
  'unchanged',
  'rolled-back',
  'failed',
  'rollback-failed',
  'unknown',
  'planned',
  'healthy',
  'unhealthy',
] as const
export type Result = (typeof results)[number]

/** The results that end the step green. */
export const goodResults: ReadonlySet<Result> = new Set(['deployed', 'unchanged', 'planned', 'healthy'])

export interface StepRecord {
  readonly name: string
  /** Milliseconds since the run began. */
  readonly startedMs: number
  readonly durationMs: number
  readonly result: 'ok' | 'failed' | 'skipped'
  /** A few words: `12 files, 40 KiB`, `nothing to do`. */
  readonly note: string
}

export interface ReleaseRef {
  readonly id: string
  /** The commit; empty when unknown. */
  readonly revision: string
  /** The first line of the commit's message, where it is known. */
  readonly subject?: string
}

export interface Changes {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  /** The lists above are cut off; these are the true counts. */
  readonly counts: { readonly added: number; readonly changed: number; readonly removed: number }
  readonly bytesSent: number
}

export interface HealthRecord {
  readonly check: string
  readonly healthy: boolean
  /** What was last seen: `200 in 12 ms`, `502 for 60 s`. */
  readonly seen: string
  readonly latencyMs: number
}

/** A text worth reading that is no failure: what a plan would change, what `status` found. Shown folded. */
export interface NoteRecord {
  readonly title: string
  readonly text: string
}

/** Who asked, from where. */
export interface RunRecord {
  readonly repository: string
  readonly sha: string
  readonly ref: string
  readonly actor: string
  readonly workflow: string
  readonly url: string
}

export interface FailureRecord {
  readonly code: string
  readonly step: string
  readonly what: string
  readonly why: string
  readonly fix: string
  /** The last lines of output, already free of secrets. */
  readonly detail: string
}

/** One host of several. */
export interface HostRecord {
  /** `user@host` */
  readonly host: string
  readonly system: string
  readonly hostKey: string
  readonly result: Result
  readonly changed: boolean
  readonly before?: ReleaseRef
  readonly after?: ReleaseRef
  readonly health: readonly HealthRecord[]
}

export interface Report {
  readonly schema: 1
  readonly result: Result
  readonly mode: string
  readonly name: string
  readonly strategy: string
  readonly environment: string
  readonly url: string
  /** `user@host`, one for each target, the first is the canary. */
  readonly hosts: readonly string[]
  /** One line on the machine: `Debian 13, x86_64, systemd`. */
  readonly system: string
  readonly hostKey: string
  /** How packets get to the host through the tailnet: `direct, 2 ms`. */
  readonly network?: string
  readonly path: string
  /** What served when the run began. */
  readonly before?: ReleaseRef
  /** What this run is about: installed, tried or found. `result` says whether it serves. */
  readonly after?: ReleaseRef
  /** The host is not as it was when the run began. */
  readonly changed: boolean
  readonly changes?: Changes
  readonly steps: readonly StepRecord[]
  /** Of the first host. */
  readonly health: readonly HealthRecord[]
  /** Each host by itself, where there are several. */
  readonly machines?: readonly HostRecord[]
  /** The cause, when the result is not a good one. */
  readonly failure?: FailureRecord
  /** What went wrong while the failure was being undone. */
  readonly rollbackFailure?: FailureRecord
  readonly warnings: readonly string[]
  readonly notes: readonly NoteRecord[]
  readonly run: RunRecord
  readonly startedAt: string
  readonly durationMs: number
}
