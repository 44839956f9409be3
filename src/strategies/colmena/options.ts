/** A key of `deployment.keys`, as far as the host has to know it. */
export interface ColmenaKey {
  /** Where it lies on the host. */
  readonly path: string
  readonly user: string
  readonly group: string
  /** `uploadAt = "post-activation"` */
  readonly late: boolean
}

/** What a release of one node of the hive is, as its record keeps it. */
export interface ColmenaOptions {
  readonly node: string
  /** The store path of its system. */
  readonly toplevel: string
  readonly keys: readonly ColmenaKey[]
  /** colmena itself activates, instead of the host. */
  readonly native: boolean
  /** Whether the user has health checks, which judge units that failed. */
  readonly judged: boolean
}

export const noColmena: ColmenaOptions = { node: '', toplevel: '', keys: [], native: false, judged: false }
