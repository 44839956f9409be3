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

export interface CommitRecord {
  readonly revision: string
  /** The first line of its message. */
  readonly subject: string
}

/** What came between the version of before and the new one, the newest first. */
export interface CommitsRecord {
  readonly commits: readonly CommitRecord[]
  /** How many more, or why none can be told; empty where this is all. */
  readonly others: string
}

/** How long it took before, as the ledger of the host has it. */
export interface UsualRecord {
  /** How many runs this is the median of. */
  readonly runs: number
  readonly durationMs: number
}

/** Who asked, from where. */
export interface RunRecord {
  readonly repository: string
  readonly sha: string
  readonly ref: string
  readonly actor: string
  readonly workflow: string
  /** The name of its file, such as `deploy.yml`. */
  readonly workflowFile?: string
  readonly url: string
}

/** What is in the way of a deploy. */
export interface ObstacleRecord {
  readonly code: string
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** An earlier run, as the ledger of the host has it. */
export interface PastRun {
  readonly at: string
  readonly result: string
  readonly mode: string
  readonly revision: string
  readonly durationMs: number
  /** How long the old version gave way to the new one; absent in old ledgers. */
  readonly activateMs?: number
}

/** What a deploy would do on one host. */
export interface PlanRecord {
  readonly host: string
  /** All that would stop the deploy, with the fix for each. */
  readonly obstacles: readonly ObstacleRecord[]
  /** A deploy would find nothing to do. */
  readonly unchanged: boolean
  readonly changes?: Changes
  /** Files edited on the host since the last deploy, which would be replaced. */
  readonly edited: readonly string[]
  /** What comes since the release that runs, the newest first. */
  readonly commits: readonly { readonly revision: string; readonly subject: string }[]
  /** How many more, or why none can be told. */
  readonly otherCommits: string
  /** What the strategy would do besides: `+ …` comes, `- …` goes, `~ …` changes. */
  readonly does: readonly string[]
  /** Names of variables that come to, and go from, the env file. */
  readonly env: { readonly added: readonly string[]; readonly removed: readonly string[] }
  /** Env and secret files that would be written with another content. */
  readonly files: readonly string[]
  /** What is interrupted while the new version is activated, and what runs of the user's own. */
  readonly interrupts: readonly string[]
  readonly commands: readonly string[]
  readonly notes: readonly string[]
  readonly past: readonly PastRun[]
}

/** What runs on one host, and whether it is what was deployed. */
export interface StatusRecord {
  readonly host: string
  readonly release?: {
    readonly id: string
    readonly revision: string
    readonly ref: string
    readonly actor: string
    /** The run that made it. */
    readonly run: string
    readonly madeAt: string
    /** Since when it runs: it may have been gone back to. */
    readonly since: string
  }
  /** As the strategy says it: units, containers with their images. */
  readonly running: readonly string[]
  /** What is not as it was deployed. */
  readonly drift: readonly {
    readonly kind: 'file' | 'env' | 'strategy'
    readonly text: string
  }[]
  /** That one can go back to, the newest first. */
  readonly releases: readonly { readonly id: string; readonly at: string; readonly revision: string }[]
  /** A lock, a change that never came to its end, maintenance: each in a sentence. */
  readonly standing: readonly string[]
  readonly past: readonly PastRun[]
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
  /** `user@host` of the jump host that leads to the host. */
  readonly jump?: string
  readonly path: string
  /** What served when the run began. */
  readonly before?: ReleaseRef
  /** What this run is about: installed, tried or found. `result` says whether it serves. */
  readonly after?: ReleaseRef
  /** The host is not as it was when the run began. */
  readonly changed: boolean
  readonly changes?: Changes
  readonly commits?: CommitsRecord
  /** What earlier runs of this mode took on the first host. */
  readonly usual?: UsualRecord
  readonly steps: readonly StepRecord[]
  /** Of the first host, and of the version that this run is about. */
  readonly health: readonly HealthRecord[]
  /** Of the version that came back, on the first host. */
  readonly healthAfter?: readonly HealthRecord[]
  /** Each host by itself, where there are several. */
  readonly machines?: readonly HostRecord[]
  /** The cause, when the result is not a good one. */
  readonly failure?: FailureRecord
  /** What went wrong while the failure was being undone. */
  readonly rollbackFailure?: FailureRecord
  /** For `mode: plan`: what a deploy would do, host by host. */
  readonly plan?: readonly PlanRecord[]
  /** For `mode: status`, host by host. */
  readonly status?: readonly StatusRecord[]
  readonly warnings: readonly string[]
  readonly notes: readonly NoteRecord[]
  readonly run: RunRecord
  readonly startedAt: string
  readonly durationMs: number
}
