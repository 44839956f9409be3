import type { KeyPair } from './keys.ts'
import type { Process } from './processes.ts'
import type { Tree } from './tree.ts'

/** What every kind of test host offers, so that one story can be told on each of them. */
export interface TestHost extends AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly user: string
  /** `user@address:port`, for the input `host`. */
  readonly target: string
  /** The account's home folder. */
  readonly home: string
  readonly hostKey: KeyPair
  readonly hostKeys: readonly KeyPair[]
  readonly knownHostsLine: string
  readonly clientKey: KeyPair
  /** Who the commands run as, for files that a test puts there by itself. */
  readonly owner: { uid: number; gid: number } | undefined
  /** What was started there and still lives, daemons included. */
  processes(): Process[]
  /** Files below the home folder. */
  write(tree: Tree): Promise<void>
  /** Ends every connection; what ran goes on. */
  drop(): void
  /** Nothing moves any more in either direction, TCP stays open. */
  freeze(): void
  thaw(): void
}

/** A test run by root plays its hosts as this user, so that it cannot touch this machine. */
export const nobody = { uid: 65534, gid: 65534 }
