import { isIP } from 'node:net'
import type { PeerStatus, Status } from './local-api.ts'

/** The peer that people mean by a name or an address: its full name, the first part of it, its host name, or an IP. */
export function findPeer({ Peer }: Status, host: string): PeerStatus | undefined {
  const peers = Object.values(Peer ?? {})
  const wanted = host.toLowerCase().replace(/\.$/, '')
  const tests: ((peer: PeerStatus) => boolean)[] = isIP(wanted)
    ? [({ TailscaleIPs }) => (TailscaleIPs ?? []).some((ip) => sameIp(ip, wanted))]
    : [
        (peer) => nameOf(peer) === wanted,
        (peer) => nameOf(peer).split('.')[0] === wanted,
        (peer) => peer.HostName.toLowerCase() === wanted,
      ]
  for (const test of tests) {
    const found = peers.filter(test)
    // Host names are what machines call themselves: where two have the same, neither is meant.
    if (found.length === 1) return found[0]
  }
  return undefined
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
