import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DeployError } from '../errors.ts'
import { runTool } from '../runner/exec.ts'
import { quote } from '../shell.ts'
import type { HiveNode } from '../strategies/colmena/nodes.ts'
import type { ManagedFile } from './plan.ts'

/** A key whose content is in the store is no secret any more: on the runner, and on whoever gets the closure. */
export function refuseStored(nodes: readonly HiveNode[]): void {
  for (const { name, keys } of nodes) {
    const key = keys.find(({ stored }) => stored)
    if (key === undefined) continue
    throw new DeployError('HD-HIVE-05', `The key ${key.name} of ${name} is taken from the Nix store.`, {
      why: 'A path such as `./secret` in a flake is copied into the store, which everybody may read.',
      fix: 'Give `keyFile` the quoted, absolute path of the file itself: `keyFile = builtins.getEnv "PWD" + "/secret";`, with `colmena-args: --impure`.',
    })
  }
}

/** What this runner cannot build is told before hours are spent on what it can. */
export async function refuseForeign(nodes: readonly HiveNode[], args: readonly string[]): Promise<void> {
  const here = nodes.filter(({ system, buildOnTarget }) => system !== '' && !buildOnTarget)
  if (here.length === 0 || args.includes('--build-on-target')) return
  const runner = await runnerSystems()
  if (runner === undefined || runner.builders) return
  for (const { name, system, drv } of here) {
    if (runner.systems.includes(system) || !(await hasToBuild(drv))) continue
    throw new DeployError('HD-HIVE-04', `${name} is ${system}, and this runner cannot build for that.`, {
      why: `It builds for ${runner.systems.join(', ')}, and has no remote builder. What is missing is in no binary cache either.`,
      fix: 'Build on the node (`deployment.buildOnTarget = true`), use a runner of that architecture, or set up emulation (`docker/setup-qemu-action` and `extra-platforms`) before this step.',
    })
  }
}

interface Settings {
  readonly [name: string]: { readonly value?: unknown } | undefined
}

async function runnerSystems(): Promise<{ systems: string[]; builders: boolean } | undefined> {
  const feature = ['--extra-experimental-features', 'nix-command']
  for (const words of [['config', 'show'], ['show-config']]) {
    const { code, stdout } = await nix('nix', [...feature, ...words, '--json'])
    if (code !== 0) continue
    const settings = JSON.parse(stdout) as Settings
    const list = (name: string) => [settings[name]?.value ?? []].flat().map(String)
    return {
      systems: [...list('system'), ...list('extra-platforms')],
      builders: await hasBuilders(list('builders')[0]),
    }
  }
  return undefined
}

/** `@FILE` names the file that lists them, which is there or not. */
async function hasBuilders(text = ''): Promise<boolean> {
  if (!text.startsWith('@')) return text.trim() !== ''
  const lines = await readFile(text.slice(1), 'utf8').catch(() => '')
  return /^[^#\s]/m.test(lines)
}

async function hasToBuild(drv: string): Promise<boolean> {
  const { code, stderr } = await nix('nix-store', ['--realise', '--dry-run', drv])
  return code !== 0 || /will be built/.test(stderr)
}

/** Whether a secret lies in what the systems are built from: a `src = ./.` takes all there is. */
export async function refuseSecretsInStore(
  nodes: readonly HiveNode[],
  files: readonly ManagedFile[],
  source: string,
): Promise<void> {
  const drvs = nodes.flatMap(({ drv }) => (drv === '' ? [] : [drv]))
  if (files.length === 0 || drvs.length === 0) return
  const search = files.map(({ path, base64 }) => {
    const size = Buffer.from(base64.reveal(), 'base64').length
    return size === 0
      ? ''
      : `find "$store" -type f -size ${size}c -exec cmp -s {} ${quote(join(source, path))} \\; -print 2>/dev/null\n`
  })
  const script = `nix-store -q --requisites "$@" 2>/dev/null | grep -v '\\.drv$' | while read -r store; do\n:\n${search.join('')}done`
  const { stdout } = await nix('/bin/sh', ['-c', script, 'sh', ...drvs])
  const [found] = stdout.split('\n')
  if (!found) return
  throw new DeployError('HD-HIVE-05', 'A secret file has been copied into the Nix store.', {
    why: `It is ${found}: a path such as \`./.\` in the hive takes every file beside it along.`,
    fix: 'Let `src` name the folder of the code alone, or filter it (`lib.fileset`, `lib.cleanSourceWith`). Nothing was sent; on a runner of your own collect that path: `nix-store --delete`.',
  })
}

/** Nix finds its store and its settings by the environment. */
async function nix(tool: string, args: readonly string[]) {
  const env = Object.entries(process.env).filter(([name]) => /^(NIX_|XDG_)/.test(name))
  return await runTool(tool, args, { env: Object.fromEntries(env) as Record<string, string> }).catch(() => ({
    code: 127,
    stdout: '',
    stderr: '',
  }))
}
