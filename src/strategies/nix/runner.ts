import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import type { Host } from '../../remote/host.ts'
import { assign, quote } from '../../shell.ts'
import type { RunnerWork } from '../strategy.ts'
import { nameOf } from './closures.ts'
import type { NixOptions } from './options.ts'
import { buildEach, type Member, nix } from './runner-build.ts'

/** Builds the systems on the runner, and copies each to the hosts that get it. */
export async function buildOnRunner(options: NixOptions, work: RunnerWork): Promise<string> {
  const built = await buildEach(options, work, async (path, member, folder) => {
    await copy(path, member, folder, work.signal)
    await noteDown(path, member)
    return nameOf(path)
  })
  return [...new Set(built)].join(', ')
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

/** For the phase `build`, which keeps it from garbage collection. */
async function noteDown(path: string, { host, release }: Member): Promise<void> {
  const script = `${assign({ release, built: path })}umask 077; mkdir -p "$release/nix" && printf '%s\\n' "$built" >"$release/nix/built"`
  await host.run(script, { label: 'Noting what was built', quiet: true })
}
