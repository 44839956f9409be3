import { expect, test } from 'vitest'
import type { PeerStatus, Status } from '../../../src/tailnet/local-api.ts'
import { belongsToTailnet, findPeer } from '../../../src/tailnet/peers.ts'

const peer = (name: string, host: string, ...ips: string[]): PeerStatus => ({
  HostName: host,
  DNSName: `${name}.tail1234.ts.net.`,
  TailscaleIPs: ips,
})
const status: Status = {
  BackendState: 'Running',
  MagicDNSSuffix: 'tail1234.ts.net',
  Peer: {
    a: peer('nas', 'NAS', '100.64.0.1', 'fd7a:115c:a1e0::1'),
    b: peer('pi', 'raspberrypi', '100.64.0.2'),
    c: peer('pi-1', 'raspberrypi', '100.64.0.3'),
    d: peer('web', 'shop.example.org', '100.64.0.4'),
    e: { ...peer('shared', 'shared', '100.64.0.5'), DNSName: 'shared.tail9999.ts.net.' },
  },
}

test.each([
  ['nas', 'nas'],
  ['NAS.tail1234.ts.net', 'nas'],
  ['nas.tail1234.ts.net.', 'nas'],
  ['100.64.0.2', 'pi'],
  ['fd7a:115c:a1e0:0:0:0:0:1', 'nas'],
])('%s is %s', (host, name) => {
  expect(findPeer(status, host)?.DNSName).toBe(`${name}.tail1234.ts.net.`)
})

test.each(['raspberrypi', 'na', '100.64.0.9', 'nas.example.org', ''])(
  '%s is nobody, or nobody in particular',
  (host) => {
    expect(findPeer(status, host)).toBeUndefined()
  },
)

test.each([
  ['100.64.0.9', 'yes'],
  ['100.128.0.1', 'no'],
  ['10.0.0.5', 'no'],
  ['fd7a:115c:a1e0::99', 'yes'],
  ['fe80::1', 'no'],
  ['unknown', 'perhaps'],
  ['unknown.tail1234.ts.net', 'yes'],
  ['x.other-tailnet.ts.net', 'yes'],
  ['nas.example.org', 'no'],
])('only a tailnet can know %s: %s', (host, only) => {
  expect(belongsToTailnet(status, host)).toBe(only)
})
