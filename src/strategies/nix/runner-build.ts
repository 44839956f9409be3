import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { DeployError } from '../../errors.ts'
import type { Host } from '../../remote/host.ts'
import { runTool } from '../../runner/exec.ts'
import type { Explained, RunnerWork } from '../strategy.ts'
import { explain } from './explain.ts'
import { type NixOptions, parseFlake } from './options.ts'

export type Member = RunnerWork['members'][number]

/** Builds the system of each host on the runner; no garbage collection takes them while `work` is done with them. */
export async function buildEach<R>(
  options: NixOptions,
  { source, members }: RunnerWork,
  work: (path: string, member: Member, folder: string) => Promise<R>,
): Promise<R[]> {
  const { url, dir = '', name } = parseFlake(options.flake)
  const folder = join(source, dir)
  if (url === undefined) refuseSecrets(folder)
  const folderOfLinks = await mkdtemp(join(tmpdir(), 'hd-nix-'))
  try {
    const built = new Map<string, string>()
    const results: R[] = []
    for (const member of members) {
      const of = name || (await hostName(member.host))
      const path = built.get(of) ?? (await build(options, url ?? '.', of, folder, join(folderOfLinks, `${built.size}`)))
      built.set(of, path)
      results.push(await work(path, member, folderOfLinks))
    }
    return results
  } finally {
    await rm(folderOfLinks, { recursive: true, force: true })
  }
}

/** Without git, Nix copies the whole folder to its store, and with the system perhaps to the host's. */
function refuseSecrets(folder: string): void {
  for (let at = folder; at !== dirname(at); at = dirname(at)) if (existsSync(join(at, '.git'))) return
  const secrets = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => /^\.env(\..*)?$/.test(basename(file)) && !/\.(example|sample|template|dist)$/.test(file),
  )
  if (secrets.length === 0) return
  throw new DeployError('HD-NIX-06', `Secrets would enter the Nix store: ${secrets.slice(0, 8).join(', ')}.`, {
    why: 'Without git, Nix copies the whole folder of the flake into its store, which every user can read.',
    fix: 'Run actions/checkout before this step, and give secrets by `env-file` or `secret-files`.',
  })
}

async function build(options: NixOptions, ref: string, name: string, cwd: string, link: string): Promise<string> {
  const attribute = `${ref}#nixosConfigurations."${name}".config.system.build.toplevel`
  if (options.check) await nix(['flake', 'check', '--no-update-lock-file', ...options.args, ref], cwd, 'check')
  const words = ['build', '--no-update-lock-file', '--print-out-paths', '--out-link', link, ...options.args, attribute]
  return (await nix(words, cwd, 'build')).trim()
}

async function hostName(host: Host): Promise<string> {
  const { text } = await host.run('cat /proc/sys/kernel/hostname >&3', { label: 'Reading the name', quiet: true })
  return text.trim()
}

export async function nix(words: readonly string[], cwd: string, kind: string): Promise<string> {
  // By a shell that looks for it: a tool that is missing is another thing than a system that cannot be built.
  const found = 'command -v nix >/dev/null 2>&1 || exit 127; exec nix "$@"'
  const features = ['--extra-experimental-features', 'nix-command flakes']
  const { code, stdout, stderr } = await runTool('/bin/sh', ['-c', found, 'nix', ...features, ...words], {
    cwd,
    env: { NO_COLOR: '1' },
  })
  if (code === 0) return stdout
  if (code === 127) {
    throw new DeployError('HD-PATH-01', 'nix is missing on the runner.', {
      why: '`build-on: runner` needs it.',
      fix: 'Add a step with `cachix/install-nix-action` before this one, or use `build-on: host`.',
    })
  }
  const { code: which, ...said } = explain('build', `${stderr}\nhd-nix: ${kind}\t${words.at(-1)}`) as Explained
  throw new DeployError(which, said.what, { ...said, detail: stderr })
}
