import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { HivePlan, ManagedFile, Plan, UserScripts } from '../pipeline/plan.ts'
import type { Target } from '../remote/target.ts'
import { Secret } from '../secret.ts'
import type { ComposeOptions } from '../strategies/compose/options.ts'
import type { NixOptions } from '../strategies/nix/options.ts'
import type { UvOptions } from '../strategies/uv/options.ts'
import type { Settings } from './config-file.ts'
import { parseDotenv } from './dotenv.ts'
import { nameOfRepository } from './names.ts'
import { type Environment, readRun, workspaceOf } from './run.ts'
import { inputNames, specs, type Values } from './spec.ts'
import { tailnetOf } from './tailnet.ts'

/** The plan of a run, from values that were found to be sound. */
export function buildPlan(values: Values, given: Settings, env: Environment, required?: Plan): Plan {
  const run = readRun(env)
  const name = values.name || nameOfRepository(run.repository)
  return {
    mode: values.mode,
    strategy: values.strategy,
    name,
    targets: values.host.map((address) => ({ ...loginOf(values, env), address })),
    hive: hiveOf(values, env),
    requires: required && { label: values['require-release'], plan: required },
    tailnet: tailnetOf(values, run, env),
    sync: {
      source: resolve(workspaceOf(env), values.source),
      path: values.path,
      // A hive is built where it is, and what it makes is copied by colmena.
      method: isHive(values, env) ? 'none' : values.sync,
      exclude: values.exclude,
      protect: values.protect,
      deleteLimit: values['delete-limit'],
      commit: run.sha,
    },
    files: isHive(values, env) ? [] : filesOf(values),
    scripts: scriptsOf(values),
    options: {
      commands: Object.keys(scriptsOf(values)),
      uv: uvOf(values),
      compose: composeOf(values),
      nix: nixOf(values),
    },
    secrets: secretsOf(values),
    backup: values.backup,
    health: { checks: values.health, within: values['health-timeout'], stable: values['health-stable'] },
    safety: {
      rollback: values.rollback,
      lockTimeout: values['lock-timeout'],
      confirmTimeout: values['confirm-timeout'],
      keep: values.keep,
      force: values.force,
      allowDowngrade: values['allow-downgrade'],
      failOnDrift: values['fail-on-drift'],
      // Whoever activates a system is root.
      sudo: isHive(values, env) && values.sudo === 'auto' ? 'always' : values.sudo,
      ifUnconfigured: values['if-unconfigured'],
    },
    to: values.to,
    report: {
      // Of the jobs of a matrix each deploys to another target: the name tells their summaries apart.
      environment: values.environment || (given.get('target')?.text.trim() ?? ''),
      url: values.url,
      comment: values.comment,
      deployment: values.deployment,
    },
    run,
    values: { ...publicValues(given), name },
    given: new Set(given.keys()),
  }
}

/** Where the strategy is colmena, or would be chosen. */
export function isHive({ strategy, source }: Values, env: Environment): boolean {
  return strategy === 'colmena' || (strategy === 'auto' && existsSync(resolve(workspaceOf(env), source, 'hive.nix')))
}

/** To go back needs no hive: a `host` will do. */
function hiveOf(values: Values, env: Environment): HivePlan | undefined {
  if (!isHive(values, env) || values.host.length > 0) return undefined
  const { nodes, 'colmena-args': args, 'secret-files': files, activation } = values
  return { nodes, args: args.flat(), files, native: activation === 'native', login: loginOf(values, env) }
}

function loginOf(values: Values, env: Environment): Omit<Target, 'address'> {
  const key = values['ssh-key']
  const passphrase = values['ssh-key-passphrase']
  const jump = values['jump-host']
  return {
    hostKey: values['host-key'],
    connectTimeout: values['connect-timeout'],
    ...(jump && { jump: { address: jump, hostKey: values['jump-host-key'] } }),
    ...(key && { key }),
    ...(passphrase && { passphrase: new Secret(passphrase) }),
    ...(!key && env.SSH_AUTH_SOCK && { agent: env.SSH_AUTH_SOCK }),
  }
}

function filesOf(values: Values): ManagedFile[] {
  const text = values['env-file']
  const envFile = {
    path: values['env-path'],
    base64: new Secret(Buffer.from(text).toString('base64')),
    names: parseDotenv(text).entries.map(({ key }) => key),
  }
  return [...(text ? [envFile] : []), ...values['secret-files']]
}

function composeOf(values: Values): ComposeOptions {
  return {
    files: values['compose-files'],
    project: values['compose-project'],
    profiles: values['compose-profiles'],
    images: values.images,
    registry: values.registry,
    registryUser: values['registry-username'],
    verify: values.verify,
  }
}

function secretsOf(values: Values): Plan['secrets'] {
  const names = ['registry-password', 'github-token'] as const
  const given = names.filter((name) => values[name] !== '')
  return Object.fromEntries(given.map((name) => [name, new Secret(values[name])]))
}

function uvOf(values: Values): UvOptions {
  return {
    args: values['uv-args'].flat(),
    services: values.services,
    restart: values.restart,
    unitFiles: values['unit-files'],
    scope: values['service-scope'],
  }
}

function nixOf(values: Values): NixOptions {
  return {
    flake: values.flake,
    buildOn: values['build-on'],
    args: values['nix-args'].flat(),
    check: values['flake-check'],
    activation: values.activation,
    restart: values.restart,
    judged: values.health.length > 0,
  }
}

function scriptsOf({ before, prepare, migrate, activate, restore, after }: Values): UserScripts {
  const all = Object.entries({ before, prepare, migrate, activate, restore, after })
  return Object.fromEntries(all.filter(([, text]) => text !== ''))
}

/** What is in effect, as it was written, without secrets. */
function publicValues(given: Settings): Record<string, string> {
  const shown = inputNames.filter((name) => !specs[name].secret)
  const texts = shown.map((name) => [name, given.get(name)?.text.trim() ?? specs[name].default ?? ''])
  return Object.fromEntries(texts.filter(([, text]) => text !== ''))
}
