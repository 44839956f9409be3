import { isIP } from 'node:net'
import type { PeerStatus, Status } from './local-api.ts'

/** The two ends of a way as a policy calls them: by tag, or by address. The name of a machine means nothing to it. */
export interface Ends {
  readonly from: string
  readonly to: string
}

/** Of a host that is not shown nobody here knows the tag: then it is the one of these documents, or its address. */
export function endsOf({ Self }: Status, peer: PeerStatus | undefined, host: string): Ends {
  const unseen = isIP(host) ? host : 'tag:homelab'
  return { from: callOf(Self) ?? 'tag:ci', to: peer === undefined ? unseen : (callOf(peer) ?? unseen) }
}

const callOf = (node: PeerStatus | null | undefined): string | undefined => node?.Tags?.[0] ?? node?.TailscaleIPs?.[0]

/** What lets the one reach the port of the other, in both ways in which a policy may be written. */
export function portRule({ from, to }: Ends, port: number): string {
  const [src, dst] = [JSON.stringify([from]), isIP(to) === 6 ? `[${to}]` : to]
  return [
    `under "acls": {"action": "accept", "src": ${src}, "dst": ["${dst}:${port}"]}`,
    `or under "grants": {"src": ${src}, "dst": ["${to}"], "ip": ["tcp:${port}"]}`,
  ].join(', ')
}
