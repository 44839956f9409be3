import type { ComposeOptions } from '../strategies/compose/options.ts'
import type { NixOptions } from '../strategies/nix/options.ts'
import type { StrategyOptions } from '../strategies/strategy.ts'
import type { UvOptions } from '../strategies/uv/options.ts'
import type { Plan } from './plan.ts'

/** The options of a release of old, as this run wants them: commands are added to its own; of everything else what is given wins. */
export function withGiven(options: StrategyOptions, { options: wanted, given }: Plan): StrategyOptions {
  return {
    ...options,
    commands: [...new Set([...options.commands, ...wanted.commands])],
    ...(options.uv && { uv: { ...options.uv, ...chosen(wanted.uv, uvInputs, given) } }),
    ...(options.nix && { nix: { ...options.nix, ...chosen(wanted.nix, nixInputs, given) } }),
    ...(options.compose && { compose: { ...options.compose, ...chosen(wanted.compose, composeInputs, given) } }),
  }
}

const uvInputs = {
  args: 'uv-args',
  services: 'services',
  restart: 'restart',
  unitFiles: 'unit-files',
  scope: 'service-scope',
} satisfies Record<keyof UvOptions, string>

const nixInputs = {
  flake: 'flake',
  buildOn: 'build-on',
  args: 'nix-args',
  check: 'flake-check',
  activation: 'activation',
  restart: 'restart',
  judged: 'health',
} satisfies Record<keyof NixOptions, string>

const composeInputs = {
  files: 'compose-files',
  project: 'compose-project',
  profiles: 'compose-profiles',
  images: 'images',
  registry: 'registry',
  registryUser: 'registry-username',
  verify: 'verify',
} satisfies Record<keyof ComposeOptions, string>

function chosen<T extends object>(
  wanted: T | undefined,
  inputs: Record<keyof T, string>,
  given: ReadonlySet<string>,
): Partial<T> {
  const entries = Object.entries(wanted ?? {}).filter(([key]) => given.has(inputs[key as keyof T]))
  return Object.fromEntries(entries) as Partial<T>
}
