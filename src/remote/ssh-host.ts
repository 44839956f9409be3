import { ConnectionLost, DeployError } from '../errors.ts'
import { quote } from '../shell.ts'
import { type ConnectContext, connect } from './connect.ts'
import type { Answer, Host, Pipe, RunOptions } from './host.ts'
import { HostKeyJudge } from './host-key.ts'
import { remotePath, Session, type SessionContext } from './session.ts'
import type { SshConnection } from './ssh.ts'
import { showAddress, type Target } from './target.ts'

/** A host over one SSH connection: scripts through one shell kept open, pipes on channels beside it. */
export class SshHost implements Host {
  readonly name: string
  readonly hostKey: string
  readonly hostKeyLine: string
  /** Of the jump host, where there is one. */
  readonly jumpKeyLine: string | undefined
  readonly #connection: SshConnection
  readonly #context: SessionContext
  #session: Promise<Session>
  #root = false

  private constructor(target: Target, connection: SshConnection, { log, signal }: ConnectContext) {
    this.name = showAddress(target.address)
    this.hostKey = `${connection.hostKey.type} ${connection.hostKey.fingerprint}`
    this.hostKeyLine = new HostKeyJudge(target.address, target.hostKey).line(connection.hostKey)
    const { jump } = target
    const jumpKey = connection.through?.hostKey
    this.jumpKeyLine = jump && jumpKey && new HostKeyJudge(jump.address, jump.hostKey).line(jumpKey)
    this.#connection = connection
    this.#context = { log, signal, name: this.name }
    this.#session = this.#open()
    this.#session.catch(() => {})
  }

  static async connect(target: Target, context: ConnectContext): Promise<SshHost> {
    return new SshHost(target, await connect(target, context), context)
  }

  get ended(): AbortSignal {
    return this.#connection.ended
  }

  /** Whether sudo made it root; a login as root counts as no change. */
  get isRoot(): boolean {
    return this.#root
  }

  async run(script: string, options: RunOptions): Promise<Answer> {
    // A script that took too long, or was cancelled, was ended together with its shell; the connection lives on.
    if (!this.ended.aborted && (await this.#session).over) this.#session = this.#open()
    return await (await this.#session).run(script, options)
  }

  /** From here on everything runs as root, by a sudo that must not ask. */
  async becomeRoot(): Promise<void> {
    ;(await this.#session).close()
    this.#root = true
    this.#session = this.#open()
    await this.#session
  }

  async #open(): Promise<Session> {
    return await Session.open(this.#connection, this.#context, this.#root ? 'exec sudo -n /bin/sh' : undefined)
  }

  async pipe(command: string): Promise<Pipe> {
    // The user's own shell (fish, csh, …) sees nothing but one quoted word; sudo would reset a PATH set outside of it.
    const inner = `PATH=${remotePath}:"$PATH"; export PATH; ${command}`
    const refusal = Promise.withResolvers<never>()
    refusal.promise.catch(() => {})
    const shell = `exec ${this.#root ? 'sudo -n ' : ''}/bin/sh -c ${quote(inner)}`
    const refused = (error: Error) => (error instanceof DeployError ? error : this.#noSession(error))
    const channel = await this.#connection
      .exec(shell, (error) => refusal.reject(refused(error)))
      .catch((error: Error) => Promise.reject(refused(error)))
    channel.on('error', () => {})
    const exit = new Promise<number>((resolve, reject) => {
      refusal.promise.catch((error) => {
        reject(error)
        channel.close()
      })
      // Not `exit`: when everything arrives in one piece that is over before anybody can listen; `close` says it again.
      channel.on('close', (code?: number | null) => {
        if (typeof code === 'number') resolve(code)
        else
          reject(
            this.ended.aborted
              ? this.ended.reason
              : new ConnectionLost(`A command on ${this.name} ended without an exit code.`),
          )
      })
      this.ended.addEventListener('abort', () => reject(this.ended.reason), { once: true })
    })
    exit.catch(() => {})
    return { stdin: channel, stdout: channel, stderr: channel.stderr, exit, close: () => channel.close() }
  }

  #noSession(cause: Error): DeployError {
    return new DeployError('HD-SSH-07', `${this.name} lets us in, but starts no further command.`, {
      why: `It said: ${cause.message}.`,
      fix: 'A deploy needs a few sessions on one connection: in sshd_config leave `MaxSessions` at its default of 10.',
      cause,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]()
  }
}
