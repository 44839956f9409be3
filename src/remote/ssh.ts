import type { Duplex } from 'node:stream'
import { NodeSSH, type Config as NodeSSHConfig } from 'node-ssh'
import type { AnyAuthMethod, Client, ClientChannel, ConnectConfig, ParsedKey } from 'ssh2'
import { ConnectionLost, DeployError } from '../errors.ts'
import { EagerExec, loginAtOnce, signAtOnce } from './eager.ts'
import { type HostKeyJudge, readKey, type SeenKey } from './host-key.ts'
import type { Tags } from './network.ts'
import { showPublic } from './private-key.ts'
import { type Address, showAddress } from './target.ts'

export interface Credentials {
  readonly key?: ParsedKey | undefined
  readonly agent?: string | undefined
  /** The server may know who we are without any of these. */
  readonly keyless?: boolean
}

/** The server was reached and said no, or nothing; `banner` tells whether it was an SSH server at all. */
export class HandshakeError extends Error {
  readonly banner: 'ssh' | 'none' | 'other'
  readonly seen: SeenKey | undefined
  readonly rejected: 'host-key' | 'no-host-key' | 'auth' | 'algorithms' | 'ended'
  /** Tailscale SSH: no sshd, and its policy decides. */
  readonly tailscale: boolean
  /** What the server said to the user before it let anybody in. */
  readonly said: string
  override readonly cause: Error

  constructor(facts: Pick<HandshakeError, 'banner' | 'seen' | 'rejected' | 'tailscale' | 'said' | 'cause'>) {
    super(facts.cause.message)
    this.banner = facts.banner
    this.seen = facts.seen
    this.rejected = facts.rejected
    this.tailscale = facts.tailscale
    this.said = facts.said
    this.cause = facts.cause
  }
}

/**
 * One SSH connection. It owns what node-ssh and ssh2 leave open: listeners for life (a reset would otherwise be an
 * uncaught exception), a typed end for everything that is under way, and no way around the host key.
 */
export class SshConnection implements AsyncDisposable {
  readonly #client: Client
  readonly #eager: EagerExec
  readonly #socket: Duplex
  readonly #ended = new AbortController()
  readonly #name: string
  readonly hostKey: SeenKey
  /** The connection that carries this one: that to a jump host. */
  through?: SshConnection

  private constructor(client: Client, socket: Duplex, address: Address, hostKey: SeenKey) {
    this.#client = client
    this.#socket = socket
    this.#eager = new EagerExec(client)
    this.#name = showAddress(address)
    this.hostKey = hostKey
    const end = (why: string, cause?: unknown) =>
      this.#ended.abort(new ConnectionLost(`The connection to ${this.#name} was lost.`, { why, cause }))
    client.on('error', (error) => end(`${error.message}.`, error))
    client.on('end', () => end('The host closed it.'))
    client.on('close', () => end('It was closed.'))
  }

  static async open(
    socket: Duplex,
    address: Address,
    judge: HostKeyJudge,
    credentials: Credentials,
    options: { timeoutMs: number; hostKeyAlgorithms?: readonly string[] | undefined; keepaliveMs?: number },
  ): Promise<SshConnection> {
    let banner: HandshakeError['banner'] = 'none'
    let seen: SeenKey | undefined
    let handshaken = false
    let tailscale = false
    let userText = ''
    socket.once('data', (chunk: Buffer) => {
      tailscale = chunk.toString('latin1').startsWith('SSH-2.0-Tailscale')
      banner = /^SSH-|\nSSH-/.test(chunk.toString('latin1')) ? 'ssh' : 'other'
    })
    const config: ConnectConfig = {
      sock: socket,
      host: address.host,
      port: address.port,
      username: address.user,
      readyTimeout: options.timeoutMs,
      keepaliveInterval: options.keepaliveMs ?? 10_000,
      keepaliveCountMax: 3,
      authHandler: authMethods(address.user, credentials),
      hostVerifier: (blob: Buffer) => {
        seen = readKey(blob)
        return judge.judge(seen) === 'trusted'
      },
      ...(options.hostKeyAlgorithms ? { algorithms: { serverHostKey: [...options.hostKeyAlgorithms] as never } } : {}),
    }
    const ssh = new NodeSSH()
    const connecting = ssh.connect(config as NodeSSHConfig)
    const client = ssh.connection
    if (client === null) throw new TypeError('node-ssh gave no connection')
    client.on('handshake', () => {
      handshaken = true
      if (credentials.key === undefined) return
      signAtOnce(client, credentials.key)
      loginAtOnce(client, credentials.key)
    })
    client.on('banner', (text) => {
      userText += text
      // It waits for somebody to follow a link. Nobody will.
      if (tailscale && /https?:\/\//.test(text)) client.destroy()
    })
    // node-ssh takes its error listener away once it is ready; a reset afterwards must not become an uncaught exception.
    client.on('error', () => {})
    try {
      await connecting
    } catch (thrown) {
      client.destroy()
      socket.destroy()
      const cause = thrown instanceof Error ? thrown : new Error(String(thrown))
      const untrusted = seen !== undefined && judge.judge(seen) !== 'trusted'
      // Tailscale SSH refuses a user by hanging up.
      const rejected = untrusted ? 'host-key' : tailscale && handshaken ? 'auth' : reason(cause, handshaken)
      throw new HandshakeError({ banner, seen, rejected, tailscale, said: userText.trim(), cause })
    }
    return new SshConnection(client, socket, address, seen as SeenKey)
  }

  /** Aborts, with a ConnectionLost as its reason, the moment the connection is gone. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /**
   * Starts a command. What is written to its channel right away shares the round trip of the request; should the host
   * refuse the command after all, `refused` hears of it.
   */
  async exec(command: string, refused: (error: Error) => void = () => {}): Promise<ClientChannel> {
    const tell = (cause: Error) => refused(this.#noSession(cause))
    return await this.#ask<ClientChannel>((done) =>
      this.#eager.exec(command, tell).then((channel) => done(undefined, channel), done as (error: Error) => void),
    ).catch((cause: unknown) => {
      throw cause instanceof Error ? this.#noSession(cause) : cause
    })
  }

  #noSession(cause: Error): DeployError {
    if (cause instanceof DeployError) return cause
    return new DeployError('HD-SSH-07', `${this.#name} lets us in, but starts no further command.`, {
      why: `It said: ${cause.message}.`,
      fix: 'A deploy needs a few sessions on one connection: in sshd_config leave `MaxSessions` at its default of 10.',
      cause,
    })
  }

  /** A TCP connection from the host onwards: what a jump host is for. */
  async forward({ host, port }: Address): Promise<Duplex> {
    return await this.#ask((done) => this.#client.forwardOut('127.0.0.1', 0, host, port, done))
  }

  async #ask<T>(request: (done: (error: Error | undefined, value: T) => void) => unknown): Promise<T> {
    this.ended.throwIfAborted()
    return await new Promise<T>((resolve, reject) => {
      const lost = () => reject(this.ended.reason)
      this.ended.addEventListener('abort', lost, { once: true })
      request((error, value) => {
        this.ended.removeEventListener('abort', lost)
        if (error) reject(error)
        else resolve(value)
      })
    })
  }

  /** Says goodbye and waits until that is on its way, not for what the host makes of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.ended.aborted) return
    await new Promise<void>((resolve) => {
      const force = setTimeout(() => this.#client.destroy(), 2_000)
      const gone = () => {
        clearTimeout(force)
        resolve()
      }
      this.#client.once('close', gone)
      this.#socket.once('finish', gone)
      this.#client.end()
    })
  }
}

function authMethods(username: string, { key, agent, keyless }: Credentials): AnyAuthMethod[] {
  if (key !== undefined) return [{ type: 'publickey', username, key: key as never }]
  const none: AnyAuthMethod = { type: 'none', username }
  if (agent !== undefined) return [...(keyless ? [none] : []), { type: 'agent', username, agent }]
  return [none]
}

function reason(error: Error & { level?: string }, handshaken: boolean): HandshakeError['rejected'] {
  if (error.level === 'client-authentication') return 'auth'
  if (/no matching host key format/.test(error.message)) return 'no-host-key'
  if (/no matching/.test(error.message)) return 'algorithms'
  return handshaken && error.level === 'agent' ? 'auth' : 'ended'
}

/** The login was refused although host and key are right. */
export function authRefused(
  address: Address,
  { key, agent }: Credentials,
  failure: HandshakeError,
  tags?: Tags,
): DeployError {
  const where = showAddress(address)
  const { cause, tailscale, said } = failure
  if (tailscale) {
    const check = /https?:\/\//.test(said)
    const [src, dst] = [tags?.ours || 'tag:ci', tags?.theirs || 'tag:homelab']
    const rule = `{"action": "accept", "src": ["${src}"], "dst": ["${dst}"], "users": ["${address.user}"]}`
    const known = tags?.ours && tags.theirs
    const whose = known ? '' : ', with the tags of the runner and of the host, both of which need one'
    return new DeployError('HD-SSH-03', `Tailscale SSH did not let us in as ${where}.`, {
      why: check
        ? 'The rule of the policy has the action `check`, which waits for a person with a browser.'
        : `The policy of the tailnet has no rule for this user${said && `; it said: ${said}`}.`,
      fix: `In the policy, under "ssh": ${rule}${whose}. The user has to exist on the host.`,
      cause,
    })
  }
  if (key !== undefined) {
    const { line, fingerprint } = showPublic(key)
    return new DeployError('HD-SSH-03', `${where} refused the login.`, {
      why: `The user ${address.user} does not exist there, or its authorized_keys does not hold the key of \`ssh-key\`.`,
      fix: `On the host, as ${address.user}:\n  (umask 077; mkdir -p ~/.ssh; echo '${line} homelab-deploy' >>~/.ssh/authorized_keys)\nFingerprint: ${fingerprint}. If the line is there already, the log of sshd says what it dislikes (\`journalctl -u ssh -n 20\`): often the mode of ~ or ~/.ssh.`,
      cause,
    })
  }
  if (agent !== undefined) {
    return new DeployError('HD-SSH-09', `No key of the SSH agent opened ${where}.`, {
      why: `The agent at SSH_AUTH_SOCK: ${cause.message}.`,
      fix: 'Check `ssh-add -l` before this step, and that the host knows one of those keys; or give `ssh-key`.',
      cause,
    })
  }
  return new DeployError('HD-SSH-03', `${where} refused a login without a key.`, {
    fix: 'Give `ssh-key`, or let the policy of Tailscale SSH accept this user.',
    cause,
  })
}
