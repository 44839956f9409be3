import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readAddress } from '../../../src/inputs/address.ts'
import { showAddress } from '../../../src/remote/target.ts'
import { read } from './helpers.ts'

describe('a host', () => {
  test.each([
    ['nas', 'root', 'nas', 22],
    ['deploy@NAS.Example.org', 'deploy', 'nas.example.org', 22],
    ['nas.example.org.', 'root', 'nas.example.org', 22],
    ['deploy@nas:2222', 'deploy', 'nas', 2222],
    ['192.168.1.4:65535', 'root', '192.168.1.4', 65535],
    ['::1', 'root', '::1', 22],
    ['[::1]', 'root', '::1', 22],
    ['a.b-c+d@[fd7a:115c::1]:2022', 'a.b-c+d', 'fd7a:115c::1', 2022],
    ['fe80::1%eth0', 'root', 'fe80::1%eth0', 22],
    ['my_host', 'root', 'my_host', 22],
  ])('%s', (text, user, host, port) => {
    expect(read(readAddress, text)).toEqual({ value: { user, host, port }, said: [] })
  })

  test.each([
    '-oProxyCommand=id',
    'root@-oProxyCommand=id',
    '-l@host',
    '@host',
    'root@',
    'root@:22',
    ':22',
    'host:',
    'host:0',
    'host:65536',
    'host:22x',
    'host: 22',
    'a b',
    'ho$(id)st',
    'host;id',
    'ho`id`st',
    'us$er@host',
    "us'er@host",
    'a@b@host',
    'host..org',
    '.host',
    'host-',
    '1.2.3',
    '999.1.1.1',
    '[::1',
    '::1]',
    '[::1]]:22',
    '[host]:22',
    '[::1]22',
    'fe80::1%$(id)',
    'ssh://root@host',
    'höst',
    'host/path',
    'a'.repeat(64),
    `${'a.'.repeat(130)}a`,
  ])('refuses %s', (text) => {
    const { value, said } = read(readAddress, text)
    expect(value).toBeUndefined()
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('[user@]host[:port]')
  })

  test('what is shown of an address reads as the same address', () => {
    const label = fc.stringMatching(/^[a-z_][a-z0-9-]{0,10}[a-z0-9]$/)
    const host = fc.oneof(
      fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
      fc.ipV4(),
      fc.ipV6().filter((ip) => !ip.includes('.')),
    )
    const address = fc.record({
      user: fc.stringMatching(/^[a-z_][a-z0-9._+-]{0,20}$/),
      host,
      port: fc.integer({ min: 1, max: 65535 }),
    })
    fc.assert(
      fc.property(address, (given) => {
        expect(read(readAddress, showAddress(given)).value).toEqual({ ...given, host: given.host.toLowerCase() })
      }),
    )
  })

  test('whatever is accepted is safe without quotes', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'ab1:@[].-%_$;` \n\u0000/') })),
        (text) => {
          const { value } = read(readAddress, text)
          if (value === undefined) return
          expect(`${value.user} ${value.host}`).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_.+-]* [a-z0-9_:][a-z0-9_.:%-]*$/)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
