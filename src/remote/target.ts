import type { Secret } from '../secret.ts'

/** `[user@]host[:port]` */
export interface Address {
  readonly user: string
  readonly host: string
  readonly port: number
}

/** Where a connection goes; who logs in there is another matter. */
export type Place = Pick<Address, 'host' | 'port'>

/** How the key of a host is judged. There is no mode that judges nothing. */
export type HostKeyPolicy =
  | { readonly mode: 'strict' }
  | { readonly mode: 'accept-new' }
  /** `peer` is there once the network has proven that the address is this machine's own. */
  | { readonly mode: 'tailnet'; readonly peer?: string }
  | { readonly mode: 'pinned'; readonly entries: readonly PinnedKey[] }

export type PinnedKey =
  | { readonly fingerprint: string }
  | {
      readonly line: string
      readonly marker?: 'cert-authority' | 'revoked'
      readonly hosts: string
      readonly type: string
      readonly key: string
    }

export interface Target {
  readonly address: Address
  readonly hostKey: HostKeyPolicy
  readonly jump?: { readonly address: Address; readonly hostKey: HostKeyPolicy }
  readonly key?: Secret
  readonly passphrase?: Secret
  /** Path of a running agent's socket, used when there is no key. */
  readonly agent?: string
  /** Milliseconds until the SSH banner has to be seen. */
  readonly connectTimeout: number
}

export function showAddress({ user, host, port }: Address): string {
  return `${user}@${host.includes(':') ? `[${host}]` : host}${port === 22 ? '' : `:${port}`}`
}
