import type { Code } from '../codes.ts'
import type { Facts } from '../remote/facts.ts'
import type { Host } from '../remote/host.ts'
import type { ColmenaOptions } from './colmena/options.ts'
import type { ComposeOptions } from './compose/options.ts'
import type { NixOptions } from './nix/options.ts'
import type { UvOptions } from './uv/options.ts'

/** A tool a strategy cannot do without, and what to tell somebody who lacks it. */
export interface Tool {
  readonly name: string
  readonly on: 'host' | 'runner'
  readonly hint: string
  /** The oldest version that will do. */
  readonly least?: string
}

/** What a strategy makes of the output of a phase that failed. */
export interface Explained {
  readonly code: Code
  readonly what: string
  readonly why?: string
  readonly fix: string
}

/**
 * What a strategy may look at: the inputs that it reads, of all strategies. The record of a release keeps them, so
 * that one can go back to it without them; therefore nothing in here is secret.
 */
export interface StrategyOptions {
  /** The user's commands of the release: `hd_user NAME "$release"` runs one. */
  readonly commands: readonly string[]
  readonly uv?: UvOptions
  readonly compose?: ComposeOptions
  readonly colmena?: ColmenaOptions
  readonly nix?: NixOptions
}

/** What a strategy that works on the runner is given: the tree there, and the hosts with the directory of the release. */
export interface RunnerWork {
  readonly options: StrategyOptions
  readonly source: string
  readonly members: readonly { readonly host: Host; readonly facts: Facts; readonly release: string }[]
  readonly signal: AbortSignal
}

/**
 * POSIX sh, each run in `$path` with `$release` (the directory of the release) and `$RELEASE` (its tree) set, and with
 * the functions of the script head at hand. Empty where there is nothing to do.
 */
export interface Scripts {
  /** What the user's commands find in their environment: assignments and exports, in a subshell of theirs. */
  readonly environment: string
  /**
   * Looks, once the new tree is on the host and before anything changes, for what would be in the way. Says on
   * descriptor 3, one a line: `note TEXT`, `warn TEXT`, or `refuse CODE<tab>WHAT<tab>WHY<tab>FIX`.
   */
  readonly preflight: string
  /** Records, as absolute values below `$work`, what `restore` will need. Changes nothing. */
  readonly snapshot: string
  /** Slow things that change nothing, while the old version serves: in the new tree, `$release/tree`. */
  readonly build: string
  /** Slow things that need the new tree in its place, before the deadline begins. */
  readonly prepare: string
  /** The change itself. */
  readonly apply: string
  /** Back to what `snapshot` recorded, by what is on the host alone. Safe to repeat, and after half an `apply`. */
  readonly restore: string
  /** Once the new version is confirmed: keeps of the old one what a way back to it will need. Safe to repeat. */
  readonly keep: string
  /** At the end of every change, when releases that are not kept are gone: removes what only they needed. Safe to repeat. */
  readonly tidy: string
  /** Says on descriptor 3 what runs now. Changes nothing. */
  readonly inspect: string
  /** Says on descriptor 3 what would change where the tree is the same. Says nothing when that is nothing, and changes nothing. */
  readonly diff: string
  /** Says on descriptor 3, a line each, what runs otherwise than `$release` was deployed; by the host alone. Changes nothing. */
  readonly drift: string
  /**
   * For `mode: plan`, after `preflight`: says on descriptor 3 what a deploy would do beside the files: `+ TEXT` what
   * comes, `- TEXT` what goes, `~ TEXT` what changes, `down TEXT` what is interrupted meanwhile. Like `preflight` it then
   * sees a picture of the new tree: changed files without those over 256 KiB (markers are there in any case), and links
   * to what stays. It may write below `$work` and `$release` only, which are folders in memory, and changes nothing.
   */
  readonly foresee: string
}

/** Of a strategy that has nothing to do. */
export const noScripts: Scripts = {
  environment: '',
  preflight: '',
  snapshot: '',
  build: '',
  prepare: '',
  apply: '',
  restore: '',
  keep: '',
  tidy: '',
  inspect: '',
  diff: '',
  drift: '',
  foresee: '',
}

/**
 * A way to deploy: a pure compiler from options and facts to scripts. The same input gives the same text; nothing in
 * here runs anything. To add one, write a file beside this one and add a line to index.ts.
 */
export interface Strategy {
  /** The value of the input. */
  readonly name: string
  /** One line for the README, the log and error texts. */
  readonly summary: string
  /** Files in `source` that select it under `strategy: auto`. */
  readonly markers: readonly string[]
  readonly needs: readonly Tool[]
  compile(options: StrategyOptions, facts: Facts): Scripts
  /** For `mode: upload-keys`: what it has to do besides the files that every strategy writes. */
  keysOnly?(options: StrategyOptions): Scripts
  /** Patterns, as in the input `protect`, of what is data and not code. */
  protects?(options: StrategyOptions, source: string): readonly string[]
  /** Health checks for those who wrote none: lines as in the input `health`. */
  checks(options: StrategyOptions): readonly string[]
  /** What has to be made on the runner before the phases begin; undefined where these options want nothing of it. Says what it made. */
  onRunner?(options: StrategyOptions): ((work: RunnerWork) => Promise<string>) | undefined
  /**
   * For `mode: plan`: what can be told by work on the runner, for each host of it: lines as `foresee` says them. Changes
   * nothing on the hosts.
   */
  foreseeOnRunner?(
    options: StrategyOptions,
  ): ((work: RunnerWork) => Promise<readonly (readonly string[])[]>) | undefined
  /** In words what its own scripts failed of; undefined where the output says it all. */
  explain(phase: string, output: string): Explained | undefined
}
