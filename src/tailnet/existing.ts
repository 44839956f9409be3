import { LocalApi, type Status } from './local-api.ts'
import { findPeer } from './peers.ts'

/** A tailnet that this machine is in by itself. */
export interface Existing {
  readonly api: LocalApi
  readonly status: Status
  /** Whether it shows all of the hosts that are wanted. */
  readonly knowsHosts: boolean
}

/** Only asks: reading is allowed to everybody, and nothing else is ever done at a socket that is not ours. */
export async function existingTailnet(socket: string, hosts: readonly string[]): Promise<Existing | undefined> {
  const api = new LocalApi(socket)
  const status = await api.status({ timeoutMs: 3_000 }).catch(() => undefined)
  if (status?.BackendState !== 'Running') return undefined
  return { api, status, knowsHosts: hosts.every((host) => findPeer(status, host) !== undefined) }
}
