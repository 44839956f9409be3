import type { Client, ClientChannel, ParsedKey } from 'ssh2'

/**
 * Three answers that ssh2 waits for although nothing depends on them: a round trip each, on every connection. It offers
 * no way to skip them, so this file reaches inside. Where the inside looks different, everything works as before.
 */
interface Inside {
  readonly _protocol?: {
    authPK?: (user: string, key: ParsedKey, algorithm?: string, sign?: Sign) => void
    exec?: (id: number, command: string, wantReply: boolean) => void
    service?: (name: string) => void
    _handlers?: { SERVICE_ACCEPT?: ((protocol: unknown, name: string) => void) | undefined }
  }
  readonly _chanMgr?: { readonly _channels?: Record<string, ClientChannel & { outgoing?: { id: number } }> }
}
type Sign = (data: Buffer, done: (signature: Buffer) => void) => void

/** Signs at once instead of asking first whether the server would accept the key. Call it before the login begins. */
export function signAtOnce(client: Client, key: ParsedKey): void {
  const protocol = (client as unknown as Inside)._protocol
  const send = protocol?.authPK?.bind(protocol)
  if (protocol === undefined || send === undefined) return
  protocol.authPK = (user, publicKey, algorithm, sign) => {
    if (sign !== undefined) return send(user, publicKey, algorithm, sign)
    send(user, publicKey, algorithm, (data, done) => {
      const signature = key.sign(data, hashOf(algorithm)) as Buffer | Error
      if (signature instanceof Error) send(user, publicKey, algorithm)
      else done(signature)
    })
  }
}

/**
 * Logs in behind the request for the login, without waiting until that is granted. Not with an RSA key: what the server
 * says meanwhile decides how that one signs. Call it before the login begins.
 */
export function loginAtOnce(client: Client, key: ParsedKey): void {
  const protocol = (client as unknown as Inside)._protocol
  const ask = protocol?.service?.bind(protocol)
  const handlers = protocol?._handlers
  if (protocol === undefined || ask === undefined || handlers === undefined) return
  const granted = handlers.SERVICE_ACCEPT
  if (granted === undefined || key.type === 'ssh-rsa') return
  protocol.service = (name) => {
    handlers.SERVICE_ACCEPT = undefined
    ask(name)
    granted(protocol, name)
  }
}

function hashOf(algorithm = ''): string | undefined {
  return { 'ssh-rsa': 'sha1', 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' }[algorithm]
}

/**
 * Starts commands, and gives their channels as soon as the request is on its way: what is written to one arrives behind
 * the request. The answer comes later: `refused` hears of a server that said no.
 */
export class EagerExec {
  readonly #client: Client
  readonly #sent: { command: string; started: (channel: ClientChannel) => void }[] = []

  constructor(client: Client) {
    this.#client = client
    const { _protocol: protocol, _chanMgr: manager } = client as unknown as Inside
    const send = protocol?.exec?.bind(protocol)
    if (protocol === undefined || send === undefined) return
    protocol.exec = (id, command, wantReply) => {
      send(id, command, wantReply)
      const at = this.#sent.findIndex((one) => one.command === command)
      const channel = Object.values(manager?._channels ?? {}).find((one) => one.outgoing?.id === id)
      if (at >= 0 && channel !== undefined) this.#sent.splice(at, 1)[0]?.started(channel)
    }
  }

  exec(command: string, refused: (error: Error) => void): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      this.#sent.push({ command, started: resolve })
      this.#client.exec(command, (error, channel) => {
        if (error === undefined) return resolve(channel)
        reject(error)
        refused(error)
      })
    })
  }
}
