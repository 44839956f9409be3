import type { Secret } from '../secret.ts'

/** The one way to authenticate that was given. */
export type Credentials =
  | { readonly way: 'key'; readonly key: Secret }
  | { readonly way: 'oauth'; readonly clientId: string; readonly secret: Secret }
  | { readonly way: 'oidc'; readonly clientId: string; readonly audience: string }

/** Where the programs come from: a folder, or a download that is verified. */
export type BinarySource =
  | { readonly folder: string }
  | { readonly version: string; readonly mirror: string; readonly cache: string }

export interface TailnetOptions {
  readonly mode: 'auto' | 'join' | 'existing' | 'off'
  readonly credentials: Credentials | undefined
  readonly tags: readonly string[]
  /** Empty is Tailscale's own. */
  readonly loginServer: string
  readonly hostname: string
  readonly binary: BinarySource
  readonly apiUrl: string
  /** Who asks, shown at the key in the admin console. */
  readonly description: string
  /** Where the daemon of this machine listens, if there is one. */
  readonly hostSocket: string
}
