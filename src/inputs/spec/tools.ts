import { colmenaArguments, nodePatterns } from '../colmena.ts'
import {
  composeFiles,
  images,
  profiles,
  projectName,
  registry,
  registryPassword,
  registryUser,
  verification,
} from '../containers.ts'
import { choice, flag, script } from '../forms.ts'
import { flake, nixArguments } from '../nix.ts'
import type { InputSpec } from '../spec.ts'
import { unitFiles, unitNames, uvArguments } from '../units.ts'

/** What only one strategy reads. */
export const tools = {
  flake: {
    group: 'nix',
    description: 'The flake and the name of the system in it, or the store path of a system.',
    otherwise: '`.#<host>`',
    form: flake,
  },
  'build-on': {
    group: 'nix',
    description: 'Where the system is built.',
    default: 'host',
    form: choice(['host', 'runner']),
  },
  'nix-args': {
    group: 'nix',
    description: 'More arguments for `nix build` and `nix flake check`, such as `--impure`.',
    form: nixArguments,
  },
  'flake-check': {
    group: 'nix',
    description: 'Run `nix flake check` first.',
    default: 'false',
    form: flag,
  },
  activation: {
    group: 'nix',
    description: "How a system is activated: `guarded` is ours, `native` is the tool's own, with its weaker promise.",
    default: 'guarded',
    form: choice(['guarded', 'native']),
  },
  nodes: {
    group: 'colmena',
    description:
      'The nodes of the hive, as for `colmena --on`: names, patterns and `@tags`. The first is the canary; selecting none is an error.',
    form: nodePatterns,
  },
  'colmena-args': {
    group: 'colmena',
    description: 'More arguments for colmena, such as `--impure`.',
    form: colmenaArguments,
  },
  'uv-args': { group: 'uv', description: 'More arguments for `uv sync`, such as `--all-packages`.', form: uvArguments },
  services: { group: 'uv', description: 'The systemd units that must run the new code.', form: unitNames },
  restart: { group: 'uv', description: 'Units that are restarted besides, before them.', form: unitNames },
  'unit-files': {
    group: 'uv',
    description: 'Unit files of the repository to install, relative to `source`.',
    form: unitFiles,
  },
  'service-scope': {
    group: 'uv',
    description: 'Whether the units belong to the system or to the user.',
    default: 'system',
    form: choice(['system', 'user']),
  },
  'compose-files': {
    group: 'compose',
    description: 'The Compose files, relative to `source`, one a line.',
    otherwise: 'those that Compose finds by itself',
    form: composeFiles,
  },
  'compose-project': {
    group: 'compose',
    description: 'The name of the Compose project.',
    otherwise: 'as Compose itself would name it',
    form: projectName,
  },
  'compose-profiles': { group: 'compose', description: 'The Compose profiles to start.', form: profiles },
  images: {
    group: 'compose',
    description: 'The images to run, one a line as `service=reference`, best with a digest.',
    form: images,
  },
  registry: {
    group: 'compose',
    description: 'The registry to log in to, for this deploy only.',
    otherwise: 'Docker Hub, when a password is given',
    form: registry,
  },
  'registry-username': { group: 'compose', description: 'The user at the registry.', form: registryUser },
  'registry-password': {
    group: 'compose',
    description: 'The password or token for the registry.',
    secret: true,
    form: registryPassword,
  },
  verify: {
    group: 'compose',
    description: 'What has to vouch for each image, by its digest, before it is pulled.',
    otherwise: 'nothing',
    form: verification,
  },
  prepare: {
    group: 'script',
    description: 'Shell text that builds or downloads, run in `path` before `activate`.',
    form: script,
  },
  activate: {
    group: 'script',
    description: 'Shell text that makes the new tree serve, run in `path`.',
    form: script,
  },
  restore: {
    group: 'script',
    description:
      'Shell text that makes the old tree serve again, run in `path` after the action has put it back; `$RELEASE` is the release it returns to.',
    form: script,
  },
} as const satisfies Record<string, InputSpec>
