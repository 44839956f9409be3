import { isIP } from 'node:net'
import type { PeerStatus, Status } from './local-api.ts'

/**
 * The peer that people mean by a name or an address. Only names that the control server gave count: what a machine calls
 * itself proves nothing, and the first part of a name means one of this tailnet, not one that another shares with it.
 */
export function findPeer({ Peer, MagicDNSSuffix }: Status, host: string): PeerStatus | undefined {
  const peers = Object.values(Peer ?? {})
  const wanted = host.toLowerCase().replace(/\.$/, '')
  if (isIP(wanted)) return peers.find(({ TailscaleIPs }) => (TailscaleIPs ?? []).some((ip) => sameIp(ip, wanted)))
  const full = wanted.includes('.') ? wanted : `${wanted}.${(MagicDNSSuffix ?? '').toLowerCase()}`
  return peers.find((peer) => nameOf(peer) === full)
}

/** Full, in lower case, without the dot at its end. */
export function nameOf({ DNSName }: PeerStatus): string {
  return DNSName.toLowerCase().replace(/\.$/, '')
}

/** Whether only a tailnet can know this host: one of its addresses, or a name in its domain. A bare name is anybody's. */
export function belongsToTailnet({ MagicDNSSuffix }: Status, host: string): 'yes' | 'perhaps' | 'no' {
  const name = host.toLowerCase().replace(/\.$/, '')
  if (isIP(name)) return /^(100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|fd7a:115c:a1e0:)/.test(name) ? 'yes' : 'no'
  const suffix = (MagicDNSSuffix ?? '').toLowerCase()
  if (!name.includes('.')) return 'perhaps'
  return (suffix !== '' && name.endsWith(`.${suffix}`)) || name.endsWith('.ts.net') ? 'yes' : 'no'
}

/** IPv6 addresses have several spellings. */
function sameIp(one: string, other: string): boolean {
  return one === other || (one.includes(':') && other.includes(':') && canonical(one) === canonical(other))
}

function canonical(ip: string): string {
  return URL.canParse(`http://[${ip}]/`) ? new URL(`http://[${ip}]/`).hostname : ip
}
