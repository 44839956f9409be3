import type { Duplex } from 'node:stream'
import type { DeployError } from '../errors.ts'
import { dial } from './dial.ts'
import type { Place } from './target.ts'

/** What a network says about who is at an address. */
export interface Identity {
  /** The address at which the network has proven who that is, for people. */
  readonly address: string
  /** `TYPE KEY` of the host keys that it knows; none when it knows only that the address is the machine's own. */
  readonly keys: readonly string[]
}

export interface Tags {
  readonly ours: string
  readonly theirs: string
}

/** A way to hosts. Whoever connects does not know of what kind it is. */
export interface Network {
  /** What OpenSSH, and whatever uses it, needs as its ProxyCommand to come this way. */
  readonly proxyCommand?: string
  /** One TCP connection; throws an error with one of Node's codes where there is one for it. */
  dial(place: Place, timeoutMs: number, signal?: AbortSignal): Promise<Duplex>
  /** Who is at a place, where the network itself can tell. */
  identify?(place: Place): Promise<Identity | undefined>
  /** By which tag its rules know us, and the machine at a place; empty for one that has none. */
  tags?(place: Place): Promise<Tags>
  /** How packets get to a place: `direct, 2 ms`; empty when nobody can tell. */
  path?(place: Place): Promise<string>
  /** Why nothing got through for all that time, where the network knows better than the error does. */
  diagnose?(place: Place, error: unknown): Promise<DeployError | undefined>
}

/** The runner's own. */
export const ownNetwork: Network = { dial }
