import { resolve } from 'node:path'
import type { ManagedFile, Plan, UserScripts } from '../pipeline/plan.ts'
import type { Target } from '../remote/target.ts'
import { Secret } from '../secret.ts'
import type { ComposeOptions } from '../strategies/compose/options.ts'
import type { UvOptions } from '../strategies/uv/options.ts'
import type { Settings } from './config-file.ts'
import { parseDotenv } from './dotenv.ts'
import { nameOfRepository } from './names.ts'
import { type Environment, readRun, workspaceOf } from './run.ts'
import { inputNames, specs, type Values } from './spec.ts'
import { tailnetOf } from './tailnet.ts'

/** The plan of a run, from values that were found to be sound. */
export function buildPlan(values: Values, given: Settings, env: Environment): Plan {
  const run = readRun(env)
  const name = values.name || nameOfRepository(run.repository)
  return {
    mode: values.mode,
    strategy: values.strategy,
    name,
    targets: targetsOf(values, env),
    tailnet: tailnetOf(values, run, env),
    sync: {
      source: resolve(workspaceOf(env), values.source),
      path: values.path,
      method: values.sync,
      exclude: values.exclude,
      protect: values.protect,
      deleteLimit: values['delete-limit'],
      commit: run.sha,
    },
    files: filesOf(values),
    scripts: scriptsOf(values),
    options: { commands: Object.keys(scriptsOf(values)), uv: uvOf(values), compose: composeOf(values) },
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
      sudo: values.sudo,
      ifUnconfigured: values['if-unconfigured'],
    },
    to: values.to,
    report: { environment: values.environment, url: values.url },
    run,
    values: { ...publicValues(given), name },
    given: new Set(given.keys()),
  }
}

function targetsOf(values: Values, env: Environment): Target[] {
  const key = values['ssh-key']
  const passphrase = values['ssh-key-passphrase']
  const jump = values['jump-host']
  return values.host.map((address) => ({
    address,
    hostKey: values['host-key'],
    connectTimeout: values['connect-timeout'],
    ...(jump && { jump: { address: jump, hostKey: values['jump-host-key'] } }),
    ...(key && { key }),
    ...(passphrase && { passphrase: new Secret(passphrase) }),
    ...(!key && env.SSH_AUTH_SOCK && { agent: env.SSH_AUTH_SOCK }),
  }))
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

function scriptsOf({ before, prepare, migrate, activate, restore, after }: Values): UserScripts {
  const all = Object.entries({ before, prepare, migrate, activate, restore, after })
  return Object.fromEntries(all.filter(([, text]) => text !== ''))
}

/** What is in effect, as it was written, without secrets and without what is not built yet. */
function publicValues(given: Settings): Record<string, string> {
  const shown = inputNames.filter((name) => !specs[name].secret && !specs[name].pending)
  const texts = shown.map((name) => [name, given.get(name)?.text.trim() ?? specs[name].default ?? ''])
  return Object.fromEntries(texts.filter(([, text]) => text !== ''))
}
