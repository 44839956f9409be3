import { describe, expect, it } from 'vitest'
import type { Facts } from '../../../src/remote/facts.ts'
import { noColmena } from '../../../src/strategies/colmena/options.ts'
import { colmena } from '../../../src/strategies/colmena.ts'
import { noNix } from '../../../src/strategies/nix/options.ts'
import { nixosRebuild } from '../../../src/strategies/nixos-rebuild.ts'
import type { StrategyOptions } from '../../../src/strategies/strategy.ts'

const facts = { sudo: 'root', tools: {}, user: { name: 'root' }, path: { absolute: '/srv' } } as unknown as Facts
const options = (native: boolean): StrategyOptions => ({
  commands: [],
  nix: { ...noNix, activation: native ? 'native' : 'guarded' },
  colmena: { ...noColmena, native },
})

describe.each([nixosRebuild, colmena])('$name with `activation: native`', (strategy) => {
  const of = (native: boolean) => strategy.compile(options(native), facts)

  it('says what it promises less, and without it nothing of the kind', () => {
    expect(of(true).preflight).toMatch(/echo 'warn activation: native promises less\./)
    expect(of(true).preflight).toMatch(/echo 'note activation: native promises less: /)
    expect(of(false).preflight).not.toContain('promises less')
  })

  it('takes the same for drift: another system that runs, or that would be booted', () => {
    for (const what of ['another system runs', 'another system would be booted'])
      expect(of(true).drift).toContain(`${what} than was deployed`)
  })
})
