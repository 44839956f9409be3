import { weakerPromise } from './native.ts'
import { activationScripts } from './nix/activation.ts'
import { buildScripts } from './nix/build.ts'
import { explain } from './nix/explain.ts'
import { foresee } from './nix/foresee.ts'
import { foreseeOnRunner } from './nix/foresee-runner.ts'
import { type NixOptions, noNix, parseFlake } from './nix/options.ts'
import { preflight } from './nix/preflight.ts'
import { buildOnRunner } from './nix/runner.ts'
import { unitsOf } from './nix/units.ts'
import type { Strategy } from './strategy.ts'

/** A NixOS host from a flake: the system, and the code beside it that its units read, are one release. */
export const nixosRebuild: Strategy = {
  name: 'nixos-rebuild',
  summary: 'A NixOS system from a flake: built, tried, and made what boots only once it is healthy.',
  markers: ['flake.nix'],
  needs: [{ name: 'nix', on: 'host', hint: 'This strategy is for hosts that run NixOS.' }],
  checks: ({ nix: options = noNix }) => options.restart.map((unit) => `unit:${unit}`),
  compile: ({ nix: options = noNix }, facts) => {
    const { activation: how, judged } = options
    const activation = activationScripts(facts, { native: how === 'native', judged })
    const { head: building, build } = buildScripts(options, facts)
    const units = unitsOf(options, facts)
    const head = `${activation.head}\n${units.head}\n`
    return {
      environment: '',
      preflight: `${how === 'native' ? weakerPromise : ''}${activation.head}${building}${preflight(options, facts)}`,
      snapshot: `${head}${activation.snapshot}${units.snapshot}`,
      build: `${activation.head}${building}${build}`,
      prepare: '',
      apply: `${head}${units.begin}${activation.apply}${units.apply}`,
      restore: `${head}${activation.restore}${units.restore}`,
      keep: `${activation.head}${activation.keep}`,
      tidy: '',
      inspect: `${head}${activation.inspect}${units.inspect}`,
      diff: `${activation.head}${activation.diff}`,
      drift: `${activation.head}${activation.drift}`,
      foresee: `${head}${building}${foresee(options)}`,
    }
  },
  onRunner: ({ nix: options = noNix }) => (builtOnRunner(options) ? (work) => buildOnRunner(options, work) : undefined),
  foreseeOnRunner: ({ nix: options = noNix }) =>
    builtOnRunner(options) ? (work) => foreseeOnRunner(options, work) : undefined,
  explain,
}

const builtOnRunner = ({ buildOn, flake }: NixOptions) => buildOn === 'runner' && parseFlake(flake).system === undefined
