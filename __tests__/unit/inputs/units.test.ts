import { expect, it } from 'vitest'
import type { Form } from '../../../src/inputs/form.ts'
import { unitFiles, unitNames, uvArguments } from '../../../src/inputs/units.ts'
import { unitName, unitOf } from '../../../src/strategies/uv/options.ts'
import { planOf, refusal, textOf } from './helpers.ts'

function read<T>(form: Form<T>, text: string): T | string {
  let problem: string | undefined
  const value = form.read({ text, from: '' }, (what) => {
    problem = what
    return undefined
  })
  return problem ?? (value as T)
}

it('unit names', () => {
  expect(read(unitNames, 'api, worker@1.service\nx.timer')).toEqual(['api', 'worker@1.service', 'x.timer'])
  for (const bad of ['-x', 'a b', 'a/b', '$(id)', "a'b"]) expect(read(unitNames, bad)).toContain('is no name of a unit')
})

it('unit files', () => {
  const files = ['deploy/api.service', 'x.timer', 'deploy/api.service.d/mem.conf']
  expect(read(unitFiles, files.join('\n'))).toEqual(files)
  expect(files.map(unitName)).toEqual(['api.service', 'x.timer', 'api.service.d/mem.conf'])
  expect(files.map(unitName).map(unitOf)).toEqual(['api.service', 'x.timer', 'api.service'])
  for (const bad of ['/etc/api.service', '../api.service', 'api.conf', 'deploy/', 'a b.service'])
    expect(read(unitFiles, bad)).toEqual(expect.any(String))
})

it('arguments of uv', () => {
  expect(read(uvArguments, '--all-packages\n--group dev --extra=prod')).toEqual([
    ['--all-packages'],
    ['--group', 'dev', '--extra=prod'],
  ])
  for (const bad of ['--frozen', '--offline', '--project=backend', '--directory x', '-U', '--extra "a"', '--python=$X'])
    expect(read(uvArguments, bad)).toMatch(/^holds /)
})

it('what another strategy reads is refused, and what this one reads is kept for it', () => {
  const said = textOf(refusal({ INPUT_STRATEGY: 'uv', INPUT_ACTIVATE: 'true', INPUT_SERVICES: 'api' }))
  expect(said).toContain('`activate` is nothing for `strategy: uv`')
  expect(textOf(refusal({ INPUT_STRATEGY: 'script', INPUT_ACTIVATE: 'x', INPUT_SERVICES: 'api' }))).toContain(
    '`services`',
  )
  expect(textOf(refusal({ INPUT_STRATEGY: 'nixos-rebuild', INPUT_ACTIVATE: 'true' }))).toContain('`activate`')
  expect(textOf(refusal({ INPUT_STRATEGY: 'compose', INPUT_FLAKE: '.#nas' }))).toContain('`flake` is nothing for')
  const onRunner = { INPUT_STRATEGY: 'nixos-rebuild', INPUT_FLAKE: '/etc/nixos', 'INPUT_BUILD-ON': 'runner' }
  expect(textOf(refusal(onRunner))).toContain('`build-on` is `runner`, and `flake` lies on the host')
  const inputs = {
    INPUT_SERVICES: 'api, web',
    'INPUT_UV-ARGS': '--all-packages --no-dev',
    'INPUT_SERVICE-SCOPE': 'user',
  }
  expect(planOf({ INPUT_STRATEGY: 'uv', ...inputs }).options.uv).toEqual({
    args: ['--all-packages', '--no-dev'],
    services: ['api', 'web'],
    restart: [],
    unitFiles: [],
    scope: 'user',
  })
})
