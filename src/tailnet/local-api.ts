import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'

/** What we read of `tailscale status --json`; the daemon says more. */
export interface Status {
  readonly BackendState: string
  readonly AuthURL?: string
  readonly Health?: readonly string[] | null
  readonly Self?: PeerStatus | null
  readonly MagicDNSSuffix?: string
  readonly CurrentTailnet?: { readonly Name?: string } | null
  readonly Peer?: Readonly<Record<string, PeerStatus>> | null
}

export interface PeerStatus {
  readonly HostName: string
  /** Ends with a dot. */
  readonly DNSName: string
  readonly TailscaleIPs?: readonly string[] | null
  readonly Tags?: readonly string[] | null
  readonly Online?: boolean
  readonly Expired?: boolean
  readonly LastSeen?: string
  readonly sshHostKeys?: readonly string[] | null
}

export interface Ping {
  readonly Err?: string
  readonly LatencySeconds?: number
  /** `ip:port`, when the path is direct. */
  readonly Endpoint?: string
  readonly PeerRelay?: string
  readonly DERPRegionCode?: string
}

/** The daemon found no way to the host; `text` is what it said. */
export class DialRefused extends Error {}

interface Wait {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** The daemon's own API: HTTP on its Unix socket. What is asked here changes nothing, and anybody may ask it. */
export class LocalApi {
  readonly socketPath: string

  constructor(socketPath: string) {
    this.socketPath = socketPath
  }

  async status(wait: Wait = { timeoutMs: 5_000 }): Promise<Status> {
    return JSON.parse(await this.#ask('GET', '/localapi/v0/status', wait)) as Status
  }

  /** Finds the path to a peer; answers when the peer does, whatever its firewall thinks of us. */
  async ping(ip: string, wait: Wait = { timeoutMs: 3_000 }): Promise<Ping> {
    return JSON.parse(
      await this.#ask('POST', `/localapi/v0/ping?type=disco&ip=${encodeURIComponent(ip)}`, wait),
    ) as Ping
  }

  /** A connection through the tailnet; `{ self }` is an address outside of it, which the caller has to dial. */
  async dial(host: string, port: number, wait: Wait): Promise<Duplex | { self: string }> {
    const headers = {
      Connection: 'upgrade',
      Upgrade: 'ts-dial',
      'Dial-Host': host,
      'Dial-Port': `${port}`,
      'Dial-Network': 'tcp',
    }
    const outcome = Promise.withResolvers<Duplex | { self: string }>()
    const request = this.#request('POST', '/localapi/v0/dial', wait, headers, outcome.reject)
    request.on('upgrade', (_, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head)
      outcome.resolve(socket)
    })
    request.on('response', (response) => {
      const self = response.headers['dial-addr']
      const outside = response.statusCode === 200 && typeof self === 'string'
      text(response).then(
        (said) => (outside ? outcome.resolve({ self }) : outcome.reject(new DialRefused(said.trim()))),
        outcome.reject,
      )
    })
    request.end()
    return await outcome.promise
  }

  async #ask(method: string, path: string, wait: Wait): Promise<string> {
    const outcome = Promise.withResolvers<IncomingMessage>()
    this.#request(method, path, wait, {}, outcome.reject).on('response', outcome.resolve).end()
    const response = await outcome.promise
    const body = await text(response)
    if (response.statusCode !== 200) throw new Error(`${path.split('?')[0]}: ${response.statusCode} ${body.trim()}`)
    return body
  }

  #request(
    method: string,
    path: string,
    { timeoutMs, signal }: Wait,
    headers: Record<string, string>,
    reject: (error: unknown) => void,
  ) {
    const { socketPath } = this
    const request = httpRequest({ socketPath, method, path, headers: { Host: 'local-tailscaled.sock', ...headers } })
    const timer = setTimeout(
      () => request.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })),
      timeoutMs,
    )
    const abort = () => request.destroy(signal?.reason as Error)
    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort, { once: true })
    return request.on('upgrade', settle).on('close', settle).on('error', reject)
  }
}
