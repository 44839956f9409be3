import { expect, test } from 'vitest'
import type { PeerStatus, Status } from '../../../src/tailnet/local-api.ts'
import { endsOf, portRule } from '../../../src/tailnet/policy.ts'

const node = (tag: string, ip: string): PeerStatus => ({
  HostName: 'x',
  DNSName: 'x.tail1234.ts.net.',
  TailscaleIPs: [ip],
  Tags: tag === '' ? null : [tag],
})
const from = (Self: PeerStatus): Status => ({ BackendState: 'Running', Self })

test.each([
  ['both by their tags', node('tag:runner', '100.64.0.1'), node('tag:nas', '100.64.0.2'), 'tag:runner', 'tag:nas'],
  ['by their addresses without', node('', '100.64.0.1'), node('', '100.64.0.2'), '100.64.0.1', '100.64.0.2'],
  ['one that is not shown by a tag to replace', node('tag:ci', '100.64.0.1'), undefined, 'tag:ci', 'tag:homelab'],
])('a policy names %s', (_, self, peer, ours, theirs) => {
  expect(endsOf(from(self), peer, 'nas')).toEqual({ from: ours, to: theirs })
})

test('an address that is not shown is as good as a name of the policy', () => {
  expect(endsOf(from(node('tag:ci', '100.64.0.1')), undefined, '100.64.0.9').to).toBe('100.64.0.9')
})

test.each(['tag:nas', '100.64.0.2'])('a rule is JSON in both of its forms: to %s', (to) => {
  const [acl, grant] = [...portRule({ from: 'tag:ci', to }, 2222).matchAll(/\{.*?\}/g)].map(([text]) =>
    JSON.parse(text),
  )
  expect(acl).toEqual({ action: 'accept', src: ['tag:ci'], dst: [`${to}:2222`] })
  expect(grant).toEqual({ src: ['tag:ci'], dst: [to], ip: ['tcp:2222'] })
})
