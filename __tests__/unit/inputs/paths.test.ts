import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readHostDirectory, readHostFile, readPattern, readRelativeFile } from '../../../src/inputs/paths.ts'
import { Patterns } from '../../../src/sync/patterns.ts'
import { read } from './helpers.ts'

describe('path', () => {
  test.each([
    ['/srv/app', '/srv/app'],
    ['/srv/app/', '/srv/app'],
    ['//srv//./app', '/srv/app'],
    ['~/app', '~/app'],
    ['/etc/nixos', '/etc/nixos'],
    ['/home/me/app', '/home/me/app'],
    ['/opt/my app', '/opt/my app'],
    [`/opt/it's "$(id)" \`id\``, `/opt/it's "$(id)" \`id\``],
    ['/srv/..app', '/srv/..app'],
  ])('%s', (text, path) => {
    expect(read(readHostDirectory, text)).toEqual({ value: path, said: [] })
  })

  test.each(
    '/ // /. /etc /etc/ //etc /usr /home /home/me /home/me/ /root /root/ ~ ~/ ~/. /var /var/lib /srv /opt /tmp /nix /nix/store/x /proc/1 /dev/shm /sys/x ~/.ssh /home/me/.ssh/x /root/.ssh ~/.config /var/lib/homelab-deploy/x ~/.local/state/homelab-deploy /srv/../etc /.. ../x app ./app -x ~me/app $HOME/app C:\\app'
      .split(' ')
      .map((each) => [each]),
  )('refuses %s', (text) => {
    const { value, said } = read(readHostDirectory, text)
    expect(value).toBeUndefined()
    expect(said).toHaveLength(1)
  })
})

describe('a file in the tree', () => {
  test.each([
    ['.env', '.env'],
    ['./config//prod.env', 'config/prod.env'],
    ['a b', 'a b'],
  ])('%s', (text, path) => {
    expect(read(readRelativeFile, text).value).toBe(path)
  })

  test.each(['/etc/x', '~/x', '../x', 'a/../../x', '.', './', 'dir/', '-rf', 'a\nb'])('refuses %j', (text) => {
    expect(read(readRelativeFile, text)).toMatchObject({ value: undefined, said: [expect.any(String)] })
  })

  test.each([
    ['/etc/app/key', '/etc/app/key'],
    ['keys/tls.pem', 'keys/tls.pem'],
  ])('or on the host: %s', (text, path) => {
    expect(read(readHostFile, text).value).toBe(path)
  })

  test.each(['/etc', '/etc/app/', '/etc/../x', '/root/.ssh/authorized_keys', '/proc/sys/x', '~/x', '../x'])(
    'refuses %s on the host',
    (text) => {
      expect(read(readHostFile, text)).toMatchObject({ value: undefined, said: [expect.any(String)] })
    },
  )
})

describe('a pattern', () => {
  test.each([
    'node_modules',
    '*.log',
    '/data',
    'data/',
    'a/b',
    './a',
    '.*',
    '*.*',
    '*',
    '**/x',
    '[a-z]*',
    '[!a]',
    'it?s',
    'a b',
    '#x',
    'x/**',
  ])('%s', (text) => {
    expect(read(readPattern, text)).toEqual({ value: text, said: [] })
  })

  test.each([
    '-x',
    '!x',
    'a\\b',
    'data, uploads',
    'data,',
    'x # note',
    '../x',
    'a/../b',
    '/',
    './',
    '.',
    '/**',
    '[a',
    'a]',
    '[]',
    '[z-a]',
    '[/]',
  ])('refuses %s', (text) => {
    expect(read(readPattern, text)).toMatchObject({ value: undefined, said: [expect.any(String)] })
  })

  test('what is accepted never breaks the matching', () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab.*?[]!^-/\\{}()+|$ ') })
    fc.assert(
      fc.property(text, fc.string(), (pattern, name) => {
        if (read(readPattern, pattern).value !== undefined)
          expect(typeof new Patterns([pattern]).match(name)).toBe('boolean')
      }),
      { numRuns: 3_000 },
    )
  })
})
