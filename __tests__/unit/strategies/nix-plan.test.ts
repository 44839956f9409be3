import { describe, expect, it } from 'vitest'
import { packageChanges } from '../../../src/strategies/nix/closures.ts'
import { unitChange } from '../../../src/strategies/nix/unit-changes.ts'

const path = (name: string, hash = 'a') => `/nix/store/${hash.repeat(32)}-${name}`

it('packages are told apart by name and version, as Nix does it', () => {
  const was = [
    'openssl-3.0.13',
    'openssl-3.0.13-bin',
    'glibc-2.39-5',
    'gone',
    'unit-a.service',
    'python3.12-uvloop-0.19',
  ]
  const is = ['openssl-3.0.14', 'openssl-3.0.14-bin', 'openssl-1.1.1w', 'glibc-2.39-5', 'new-1', 'unit-b.service']
  expect(
    packageChanges(
      was.map((name) => path(name)),
      is.map((name) => path(name, 'b')),
    ),
  ).toEqual(['- gone', '+ new 1', '~ openssl 3.0.13 → 1.1.1w, 3.0.14', '- python3.12-uvloop 0.19'])
})

describe('what becomes of a unit', () => {
  const service = (text: string) => `[Unit]\nDescription=x\n[Service]\n${text}\n[Install]\nWantedBy=multi-user.target\n`
  const unit = service('ExecStart=/a')
  const other = service('ExecStart=/b')
  it.each([
    ['the same', 'a.service', unit, unit, undefined],
    ['another description', 'a.service', unit, unit.replace('=x', '=y'), undefined],
    ['wanted by others', 'a.service', unit, unit.replace('multi-user', 'network'), undefined],
    ['new', 'a.service', undefined, unit, '+ unit a.service'],
    ['gone', 'a.service', unit, undefined, 'down a.service is stopped'],
    [
      'gone, and left alone',
      'a.service',
      unit.replace('[Unit]', '[Unit]\nX-StopOnRemoval=false'),
      undefined,
      '- unit a.service',
    ],
    ['changed', 'a.service', unit, other, 'down a.service is restarted'],
    ['one key more', 'a.service', unit, service('ExecStart=/a\nNice=5'), 'down a.service is restarted'],
    ['to be reloaded', 'a.service', unit, service('ExecStart=/b\nX-ReloadIfChanged=true'), '~ a.service is reloaded'],
    [
      'not to be restarted',
      'a.service',
      unit,
      service('ExecStart=/b\nX-RestartIfChanged=false'),
      '~ a.service changes, and is not restarted',
    ],
    [
      'a trigger to reload',
      'a.service',
      unit,
      unit.replace('[Unit]', '[Unit]\nX-Reload-Triggers=/c'),
      '~ a.service is reloaded',
    ],
    ['options of a mount', 'a.mount', '[Mount]\nOptions=ro', '[Mount]\nOptions=rw', '~ a.mount is reloaded'],
    [
      'a socket',
      'a.socket',
      '[Socket]\nListenStream=1',
      '[Socket]\nListenStream=2',
      '~ a.socket changes, and is not restarted',
    ],
    ['a target', 'a.target', '[Unit]\nAfter=b', '[Unit]\nAfter=c', undefined],
    ['a value that is taken back', 'a.service', unit, service('ExecStart=/b\nExecStart=\nExecStart=/a'), undefined],
  ])('%s', (_, name, was, is, wanted) => {
    expect(unitChange(name, was, is, true)).toBe(wanted)
  })

  it('what does not run is not interrupted', () => {
    expect(unitChange('a.service', unit, other, false)).toBe('~ unit a.service, which does not run')
    expect(unitChange('a.service', unit, undefined, false)).toBe('- unit a.service')
  })
})
