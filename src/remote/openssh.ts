import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serveKey } from './agent.ts'
import { type Network, ownNetwork } from './network.ts'
import { readPrivateKey } from './private-key.ts'
import type { Target } from './target.ts'

/** A host to which this run has a connection: its key was verified. */
export interface Known {
  readonly target: Target
  readonly hostKeyLine: string
  /** Of the jump host, where there is one. */
  readonly jumpKeyLine?: string | undefined
}

/** What tools with an OpenSSH of their own need to reach the hosts of this run as it does: files that end with it. */
export interface OpenSsh extends AsyncDisposable {
  readonly config: string
  readonly env: Readonly<Record<string, string>>
}

/** Paths without a space: colmena and Nix split what they hand on to ssh at spaces. */
export async function openSshFor(
  hosts: readonly Known[],
  temp: string,
  network: Network = ownNetwork,
): Promise<OpenSsh> {
  const within = /^[\w./-]{1,70}$/.test(temp) ? temp : tmpdir()
  const folder = await mkdtemp(join(within, 'hd-ssh-'))
  const stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  try {
    const [first] = hosts
    const key = first && readPrivateKey(first.target)
    const agent = key ? join(folder, 'agent') : (first?.target.agent ?? '')
    if (key) stack.use(await serveKey(key, agent))
    const lines = hosts.flatMap(({ hostKeyLine, jumpKeyLine }) => [hostKeyLine, ...(jumpKeyLine ? [jumpKeyLine] : [])])
    const files = { knownHosts: join(folder, 'known_hosts'), agent }
    const config = join(folder, 'config')
    await writeFile(files.knownHosts, `${[...new Set(lines)].join('\n')}\n`, { mode: 0o600 })
    await writeFile(config, sshConfig(hosts, files, network.proxyCommand), { mode: 0o600 })
    return {
      config,
      env: { SSH_CONFIG_FILE: config, ...(agent && { SSH_AUTH_SOCK: agent }) },
      [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** One block for each host; for any other there is no way, no key and no trust. */
export function sshConfig(
  hosts: readonly Known[],
  { knownHosts, agent }: { knownHosts: string; agent: string },
  proxyCommand: string | undefined,
): string {
  const blocks = new Map<string, readonly string[]>()
  for (const { target, hostKeyLine, jumpKeyLine } of hosts) {
    const { address, jump } = target
    if (jump !== undefined && jumpKeyLine !== undefined) {
      blocks.set('hd-jump', [
        `HostName ${jump.address.host}`,
        `Port ${jump.address.port}`,
        `User ${jump.address.user}`,
        `HostKeyAlgorithms ${algorithms(jumpKeyLine)}`,
        ...(proxyCommand ? [`ProxyCommand ${proxyCommand}`] : []),
      ])
    }
    blocks.set(address.host, [
      `Port ${address.port}`,
      `User ${address.user}`,
      // colmena accepts new keys, whatever is said here: a key of another type than the one that was verified would be new.
      `HostKeyAlgorithms ${algorithms(hostKeyLine)}`,
      ...(jump ? ['ProxyJump hd-jump'] : proxyCommand ? [`ProxyCommand ${proxyCommand}`] : []),
    ])
  }
  const all = [
    'StrictHostKeyChecking yes',
    `UserKnownHostsFile ${knownHosts}`,
    'GlobalKnownHostsFile none',
    'UpdateHostKeys no',
    'CheckHostIP no',
    'CanonicalizeHostname no',
    `IdentityAgent ${agent || 'none'}`,
    // With an agent of ours there is one key; one of the runner may hold several.
    'IdentityFile none',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'BatchMode yes',
    `ConnectTimeout ${Math.ceil(Math.max(1_000, ...hosts.map(({ target }) => target.connectTimeout)) / 1_000)}`,
    'ServerAliveInterval 10',
    'ServerAliveCountMax 3',
  ]
  const block = (host: string, lines: readonly string[]) =>
    `Host ${host}\n${lines.map((line) => `  ${line}\n`).join('')}`
  return [...[...blocks].map(([host, lines]) => block(host, lines)), block('*', all)].join('\n')
}

/** The only ones by which the key of this known_hosts line can sign. */
function algorithms(line: string): string {
  const type = line.split(' ')[1] ?? ''
  return type === 'ssh-rsa' ? 'rsa-sha2-512,rsa-sha2-256' : type
}
