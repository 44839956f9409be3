import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readHostKeys } from '../../../src/inputs/host-keys.ts'
import { makeKey } from '../../helpers/keys.ts'
import { key, raw, read } from './helpers.ts'

const [type, base64] = key.public.split(' ') as [string, string]
const rsa = makeKey('rsa')
const ecdsa = makeKey('ecdsa')
const hash = `|1|${Buffer.alloc(20, 7).toString('base64')}|${Buffer.alloc(20, 9).toString('base64')}`
const parse = (text: string) => read((each, refuse) => readHostKeys(raw(each), refuse), text)
const entry = (hosts: string, marker?: string) => ({
  line: `${marker ? `@${marker} ` : ''}${hosts} ${type} ${base64}`,
  ...(marker && { marker }),
  hosts,
  type,
  key: base64,
})

describe('host-key', () => {
  test.each([
    ['', { mode: 'strict' }],
    ['# only a comment\n\n', { mode: 'strict' }],
    ['accept-new', { mode: 'accept-new' }],
    ['tailnet', { mode: 'tailnet' }],
  ])('the policy %j', (text, policy) => {
    expect(parse(text)).toEqual({ value: policy, said: [] })
  })

  test.each([
    ['a plain line', `nas ${type} ${base64}`, entry('nas')],
    ['a comment behind', `nas ${type} ${base64} root@nas`, entry('nas')],
    ['tabs and Windows line ends', `# nas:22\r\n nas\t${type}\t${base64}\r\n`, entry('nas')],
    [
      'names, ports, wildcards',
      `nas,[nas.example.org]:2222,*.lan,!bad.lan,fd7a::1 ${type} ${base64}`,
      entry('nas,[nas.example.org]:2222,*.lan,!bad.lan,fd7a::1'),
    ],
    ['a hashed name', `${hash} ${type} ${base64}`, entry(hash)],
    ['an authority', `@cert-authority *.lan ${type} ${base64}`, entry('*.lan', 'cert-authority')],
    ['a public key as it lies in the file', `${key.public} root@nas`, entry('*')],
  ])('%s', (_, text, expected) => {
    expect(parse(text)).toEqual({ value: { mode: 'pinned', entries: [expected] }, said: [] })
  })

  test('all key types, several lines, the same line once', () => {
    const lines = [key, rsa, ecdsa, key].map((each) => each.line('nas', 22))
    const { value, said } = parse(lines.join('\n'))
    expect(said).toEqual([])
    expect(value?.mode === 'pinned' && value.entries.map((each) => 'line' in each && each.type)).toEqual([
      'ssh-ed25519',
      'ssh-rsa',
      'ecdsa-sha2-nistp256',
    ])
  })

  test.each([
    ['alone', key.fingerprint],
    ['with the padding that some tools leave', `${key.fingerprint}=`],
    ['as ssh-keygen -l prints it', `256 ${key.fingerprint} root@nas (ED25519)`],
    ['as ssh shows it', `${key.fingerprint} nas`],
  ])('a fingerprint %s', (_, text) => {
    expect(parse(text)).toEqual({ value: { mode: 'pinned', entries: [{ fingerprint: key.fingerprint }] }, said: [] })
  })

  test('a revoked line beside a good one', () => {
    const { value } = parse(`nas ${type} ${base64}\n@revoked * ${rsa.public}`)
    expect(value?.mode === 'pinned' && value.entries.map((each) => 'line' in each && each.marker)).toEqual([
      undefined,
      'revoked',
    ])
  })

  test.each([
    ['an MD5 fingerprint', 'MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48', /MD5.*SHA-256/],
    ['an MD5 fingerprint of old', '16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48', /MD5/],
    ['a fingerprint cut off', key.fingerprint.slice(0, -1), /43 characters/],
    ['a fingerprint too long', `${key.fingerprint}A`, /43 characters/],
    ['a fingerprint that no digest has', `SHA256:${'/'.repeat(43)}`, /43 characters/],
    ['SHA-1', 'SHA1:abc', /43 characters/],
    ['switching it off', 'StrictHostKeyChecking=no', /cannot be switched off/],
    ['no', 'no', /cannot be switched off/],
    ['two modes', `accept-new\n${key.fingerprint}`, /mixes `accept-new`/],
    ['two modes, the other way', `${key.line('nas', 22)}\ntailnet`, /mixes `tailnet`/],
    ['the wrong type', `nas ssh-rsa ${base64}`, /says ssh-rsa, but/],
    ['a key cut off', `nas ${type} ${base64.slice(0, -8)}`, /damaged or cut off/],
    ['a key of nothing', `nas ${type} AAAA`, /damaged or cut off/],
    ['no base64', `nas ${type} A*A`, /damaged or cut off/],
    ['no key', `nas ${type}`, /damaged or cut off/],
    ['a key type alone', type, /damaged or cut off/],
    ['an unknown marker', `@trusted nas ${type} ${base64}`, /unknown marker/],
    ['a bad hash', `|1|AAAA|BBBB ${type} ${base64}`, /no valid host/],
    ['an empty host', `nas,, ${type} ${base64}`, /no valid host/],
    ['a host of shell', `$(id) ${type} ${base64}`, /no valid host/],
    ['a host that is an option', `-oProxyCommand=id ${type} ${base64}`, /no valid host/],
    ['SSH 1', 'nas 1024 35 1234567', /no known_hosts line/],
    ['DSA', 'nas ssh-dss AAAAB3NzaC1kc3M=', /DSA/],
    ['a certificate', 'nas ssh-ed25519-cert-v01@openssh.com AAAA', /certificate/],
    ['only revoked', `@revoked nas ${type} ${base64}`, /only @revoked/],
    ['a name', 'nas', /no host key/],
  ])('refuses %s', (_, text, reason) => {
    const { value, said } = parse(text)
    expect(value).toBeUndefined()
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(reason)
  })

  test('a private key in the wrong place is not shown', () => {
    const { said } = parse(key.private)
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('holds a private key')
    expect(said[0]).not.toContain(key.private.split('\n')[1])
  })

  test('every bad line is named', () => {
    expect(parse(`nas ${type} AAAA\n${key.line('nas', 22)}\nmd5:1`).said).toHaveLength(2)
  })

  test('no damaged key gets through', () => {
    const line = key.line('nas', 22)
    const start = line.indexOf('AAAA')
    fc.assert(
      fc.property(fc.integer({ min: start, max: line.length - 1 }), fc.integer({ min: 1, max: 40 }), (at, count) => {
        const cut = line.slice(0, at) + line.slice(at + count)
        const { value } = parse(cut)
        expect(value === undefined || cut === line).toBe(true)
      }),
    )
  })

  test('never throws, and always says why', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { value, said } = parse(text)
        expect(value === undefined).toBe(said.length > 0)
      }),
    )
  })
})
