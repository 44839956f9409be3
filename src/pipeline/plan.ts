import type { Target } from '../remote/target.ts'
import type { Secret } from '../secret.ts'
import type { StrategyOptions } from '../strategies/strategy.ts'
import type { SyncOptions } from '../sync/options.ts'
import type { TailnetOptions } from '../tailnet/options.ts'

export const modes = ['deploy', 'rollback', 'plan', 'status', 'upload-keys'] as const
export type Mode = (typeof modes)[number]

/** Whether it is about a new release, from the runner: all that a deploy needs has to be given. */
export const bringsNew = (mode: Mode): boolean => mode === 'deploy' || mode === 'plan'

/** A file written beside the code: the env file and `secret-files`. `path` is relative to the tree or absolute. */
export interface ManagedFile {
  readonly path: string
  /** Its bytes in base64: a key file may be binary, and a Secret is text. */
  readonly base64: Secret
  /** The names of the variables in it, where it is an env file: never their values. */
  readonly names?: readonly string[]
}

/** Shell text of the user, run on the host. Absent where the input is empty. */
export interface UserScripts {
  readonly before?: string
  readonly prepare?: string
  readonly migrate?: string
  readonly activate?: string
  readonly restore?: string
  readonly after?: string
}

/** Who asked, from where: what the lock, the ledger and the summary show. */
export interface Run {
  readonly repository: string
  readonly sha: string
  readonly ref: string
  readonly actor: string
  readonly workflow: string
  readonly job: string
  readonly id: string
  readonly attempt: string
  /** Empty outside GitHub. */
  readonly url: string
  readonly event: string
  /** Where the workflow runs, and whether that place has Deployments. */
  readonly forge: { readonly name: string; readonly deployments: boolean }
  /** The pull request that started it; what comes from a fork may not write to the repository. */
  readonly pull?: { readonly number: number; readonly fork: boolean }
  /** The API of GitHub, or of the forge in whose place it stands. */
  readonly apiUrl: string
  /** The file of the workflow: `deploy.yml`. */
  readonly workflowFile: string
  /** A runner of GitHub's own, which sits in nobody's private network. */
  readonly hosted: boolean
  /** A private scratch directory of this run on the runner. */
  readonly temp: string
}

/** Where the hosts come from a hive: how it is evaluated, and how one logs in to its nodes. */
export interface HivePlan {
  /** Patterns, as of `colmena --on`. */
  readonly nodes: readonly string[]
  readonly args: readonly string[]
  /** Written into the source on the runner for as long as the run lasts. */
  readonly files: readonly ManagedFile[]
  /** colmena itself activates. */
  readonly native: boolean
  readonly login: Omit<Target, 'address'>
}

/** Everything a run needs to know, validated and frozen before anything is touched. */
export interface Plan {
  readonly mode: Mode
  readonly strategy: string
  readonly name: string
  /** One for each line of `host`, in order: the first is the canary. */
  readonly targets: readonly Target[]
  /** With `strategy: colmena`; its nodes become the targets. */
  readonly hive?: HivePlan | undefined
  /** Where this very commit has to be healthy first, and what a deploy there would be. */
  readonly requires?: { readonly label: string; readonly plan: Plan } | undefined
  readonly tailnet: TailnetOptions
  readonly sync: SyncOptions
  readonly files: readonly ManagedFile[]
  readonly scripts: UserScripts
  /** By the name of the input. What the host needs of them is used there once, and then deleted. */
  readonly secrets: Readonly<Record<string, Secret>>
  /** What the strategies read. */
  readonly options: StrategyOptions
  /** Lines that `parseBackup` understands. */
  readonly backup: readonly string[]
  readonly health: {
    /** Lines that `parseCheck` understands. */
    readonly checks: readonly string[]
    readonly within: number
    readonly stable: number
  }
  readonly safety: {
    readonly rollback: 'auto' | 'off' | 'data'
    readonly lockTimeout: number
    readonly confirmTimeout: number
    readonly keep: number
    readonly force: boolean
    readonly allowDowngrade: boolean
    readonly failOnDrift: boolean
    readonly sudo: 'auto' | 'always' | 'never'
    readonly ifUnconfigured: 'fail' | 'skip'
  }
  /** What to go back to, for `mode: rollback`; empty is the last healthy release. */
  readonly to: string
  readonly report: {
    readonly environment: string
    readonly url: string
    /** Whether a plan is written on the pull request, and a deploy shown among GitHub's Deployments. */
    readonly comment: boolean
    readonly deployment: boolean
  }
  readonly run: Run
  /** Effective inputs that are not secret, as they were written: the record and the summary show these. */
  readonly values: Readonly<Record<string, string>>
  /** Inputs that were given, in the workflow or the config file, as opposed to defaults. */
  readonly given: ReadonlySet<string>
}
