export const syncMethods = ['auto', 'rsync', 'git', 'tar', 'none'] as const
export type SyncMethod = (typeof syncMethods)[number]

export interface SyncOptions {
  /** Absolute directory on the runner. */
  readonly source: string
  /** Directory on the host: absolute, or beginning with `~/`. */
  readonly path: string
  readonly method: SyncMethod
  /** Patterns not sent, and not touched on the host. */
  readonly exclude: readonly string[]
  /** Patterns never deleted or overwritten on the host, beside `.env*` and `.venv`. */
  readonly protect: readonly string[]
  readonly deleteLimit: number
  /** The exact commit, for `git` and for the record. */
  readonly commit: string
}
