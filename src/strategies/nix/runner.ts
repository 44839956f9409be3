import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DeployError } from '../../errors.ts'
import type { Host } from '../../remote/host.ts'
import { runTool } from '../../runner/exec.ts'
import { assign, quote } from '../../shell.ts'
import type { Explained, RunnerWork } from '../strategy.ts'
import { explain } from './explain.ts'
import { type NixOptions, parseFlake } from './options.ts'

type Member = RunnerWork['members'][number]

/** Builds the systems on the runner, and copies each to the hosts that get it. */
export async function buildOnRunner(options: NixOptions, work: RunnerWork): Promise<string> {
  const { url, dir = '', name } = parseFlake(options.flake)
  const folder = join(work.source, dir)
  if (url === undefined) refuseSecrets(folder)
  const folderOfLinks = await mkdtemp(join(tmpdir(), 'hd-nix-'))
  try {
    const built = new Map<string, string>()
    for (const member of work.members) {
      const of = name || (await hostName(member.host))
      const path = built.get(of) ?? (await build(options, url ?? '.', of, folder, join(folderOfLinks, `${built.size}`)))
      built.set(of, path)
      await copy(path, member, folderOfLinks, work.signal)
      await noteDown(path, member)
    }
    return [...built.values()].map((path) => path.replace(/^\/nix\/store\/\w+-/, '')).join(', ')
  } finally {
    await rm(folderOfLinks, { recursive: true, force: true })
  }
}

/** Without git, Nix copies the whole folder to its store, and with the system perhaps to the host's. */
function refuseSecrets(folder: string): void {
  for (let at = folder; at !== dirname(at); at = dirname(at)) if (existsSync(join(at, '.git'))) return
  const secrets = readdirSync(folder).filter(
    (file) => /^\.env(\..*)?$/.test(file) && !/\.(example|sample|template|dist)$/.test(file),
  )
  if (secrets.length === 0) return
  throw new DeployError('HD-NIX-06', `Secrets would enter the Nix store: ${secrets.join(', ')}.`, {
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

/**
 * By the protocol of the Nix daemon, over a channel of the connection that is open: for `nix copy` the host is a daemon
 * behind a socket of this machine. Whom it trusts, the host decides, also where nothing is signed.
 */
async function copy(path: string, { host, facts }: Member, folder: string, signal: AbortSignal): Promise<void> {
  const program = quote(join(dirname(facts.tools['nix']?.path ?? '/run/current-system/sw/bin/nix'), 'nix-daemon'))
  const command = `${facts.sudo === 'any' ? 'sudo -n ' : ''}${program} --stdio`
  const socket = join(folder, 'daemon')
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (client) => {
    sockets.add(client)
    client.on('error', () => {}).on('close', () => sockets.delete(client))
    forward(host, command, client).catch(() => client.destroy())
  })
  const cut = () => {
    for (const client of sockets) client.destroy()
  }
  signal.addEventListener('abort', cut, { once: true })
  server.listen(socket)
  await once(server, 'listening')
  try {
    await nix(['copy', '--no-check-sigs', '--to', `unix://${socket}`, path], folder, 'copy')
  } finally {
    signal.removeEventListener('abort', cut)
    cut()
    server.close()
    await once(server, 'close')
  }
}

async function forward(host: Host, command: string, client: Socket): Promise<void> {
  const pipe = await host.pipe(command)
  client.on('close', () => pipe.close())
  client.pipe(pipe.stdin)
  pipe.stdout.pipe(client)
  pipe.stderr.resume()
  await pipe.exit
}

async function hostName(host: Host): Promise<string> {
  const { text } = await host.run('cat /proc/sys/kernel/hostname >&3', { label: 'Reading the name', quiet: true })
  return text.trim()
}

/** For the phase `build`, which keeps it from garbage collection. */
async function noteDown(path: string, { host, release }: Member): Promise<void> {
  const script = `${assign({ release, built: path })}umask 077; mkdir -p "$release/nix" && printf '%s\\n' "$built" >"$release/nix/built"`
  await host.run(script, { label: 'Noting what was built', quiet: true })
}

async function nix(words: readonly string[], cwd: string, kind: string): Promise<string> {
  // By a shell that looks for it: a tool that is missing is another thing than a system that cannot be built.
  const found = 'command -v nix >/dev/null 2>&1 || exit 127; exec nix "$@"'
  const features = ['--extra-experimental-features', 'nix-command flakes']
  const { code, stdout, stderr } = await runTool('/bin/sh', ['-c', found, 'nix', ...features, ...words], {
    ...{ cwd, env: { NO_COLOR: '1' } },
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
