import type { Duplex } from 'node:stream'
import { humanDuration } from '../clock.ts'
import { DeployError } from '../errors.ts'
import { dial, errorCode } from '../remote/dial.ts'
import type { Identity, Network, Tags } from '../remote/network.ts'
import type { Place } from '../remote/target.ts'
import { quote } from '../shell.ts'
import { DialRefused, type LocalApi, type PeerStatus, type Status } from './local-api.ts'
import { belongsToTailnet, findPeer, nameOf } from './peers.ts'
import { endsOf, portRule } from './policy.ts'

/** A tailnet as a way to hosts, through a daemon that is in it. Nothing here changes anything of the daemon. */
export class TailnetNetwork implements Network {
  readonly proxyCommand: string
  readonly #api: LocalApi

  /** `program` is the command line tool that belongs to the daemon. */
  constructor(api: LocalApi, program: string) {
    this.#api = api
    this.proxyCommand = `${quote(program)} ${quote(`--socket=${api.socketPath}`)} nc %h %p`
  }

  async dial({ host, port }: Place, timeoutMs: number, signal?: AbortSignal): Promise<Duplex> {
    const wait = { timeoutMs, signal }
    const status = await this.#api.status(wait)
    const peer = findPeer(status, host)
    // By its address: whom we asked about is then who answers, whatever a name server says.
    const [ip] = peer?.TailscaleIPs ?? []
    const ours = belongsToTailnet(status, host)
    const unseen = () => coded('ENOPEER', `${host} is not in sight yet`)
    if (ip === undefined && ours === 'yes') throw unseen()
    const answer = await this.#api.dial(ip ?? host, port, wait).catch((error: unknown) => {
      if (!(error instanceof DialRefused)) throw error
      const code = codeOf(error.message)
      // A name that nobody knows yet: the tailnet may need a moment to tell.
      throw code === 'ENOTFOUND' && ours !== 'no' ? unseen() : coded(code, error.message)
    })
    return 'self' in answer ? await dial(placeOf(answer.self), timeoutMs, signal) : answer
  }

  /** WireGuard has proven that a peer's own address is that peer; of a host behind a router it knows nothing. */
  async identify({ host, port }: Place): Promise<Identity | undefined> {
    const peer = findPeer(await this.#api.status(), host)
    const [ip] = peer?.TailscaleIPs ?? []
    if (peer === undefined || ip === undefined) return undefined
    // These are the keys of Tailscale SSH, which has port 22; another sshd may have others.
    const keys = port === 22 ? (peer.sshHostKeys ?? []) : []
    const words = keys.map((key) => key.trim().split(/\s+/).slice(0, 2).join(' '))
    return { address: `${nameOf(peer) || peer.HostName} (${ip})`, keys: words }
  }

  async tags({ host }: Place): Promise<Tags> {
    const status = await this.#api.status()
    return { ours: status.Self?.Tags?.[0] ?? '', theirs: findPeer(status, host)?.Tags?.[0] ?? '' }
  }

  /** `direct, 2 ms` or `relayed by fra, 24 ms`; empty when the host is no peer, or does not say. */
  async path({ host }: Place): Promise<string> {
    try {
      const peer = findPeer(await this.#api.status(), host)
      const [ip] = peer?.TailscaleIPs ?? []
      if (ip === undefined) return ''
      const { Err, LatencySeconds = 0, Endpoint, PeerRelay, DERPRegionCode } = await this.#api.ping(ip)
      if (Err) return ''
      const way = Endpoint ? 'direct' : `relayed by ${PeerRelay || DERPRegionCode || 'a server of the tailnet'}`
      return `${way}, ${humanDuration(LatencySeconds * 1_000)}`
    } catch {
      return ''
    }
  }

  async diagnose({ host, port }: Place, error: unknown): Promise<DeployError | undefined> {
    let status: Status
    try {
      status = await this.#api.status()
    } catch (cause) {
      return new DeployError('HD-TAILNET-03', 'tailscaled on the runner does not answer any more.', {
        why: cause instanceof Error ? `${cause.message}.` : '',
        fix: 'Run the job again. If it happens again, look at the memory of the runner.',
        cause,
      })
    }
    if (status.BackendState !== 'Running') return notRunning(status, error)
    const peer = findPeer(status, host)
    if (peer === undefined)
      return belongsToTailnet(status, host) === 'yes' || errorCode(error) === 'ENOPEER'
        ? notInSight(status, { host, port }, error)
        : undefined
    const name = nameOf(peer) || peer.HostName
    if (peer.Expired) {
      return new DeployError('HD-TAILNET-06', `The key of ${name} in the tailnet has expired.`, {
        why: 'A node with an expired key gets no connections.',
        fix: 'On the host run `sudo tailscale up --force-reauth`; for a server turn key expiry off in the admin console, or give it a tag.',
        cause: error,
      })
    }
    if (peer.Online === false) {
      return new DeployError('HD-TAILNET-06', `${name} is offline in the tailnet${since(peer)}.`, {
        why: 'Its tailscaled is not connected to the control server.',
        fix: 'Check that the host is on and has a network; there, `tailscale status` says what is wrong.',
        cause: error,
      })
    }
    if (errorCode(error) !== 'ETIMEDOUT') return undefined
    const [ip = ''] = peer.TailscaleIPs ?? []
    const alive = await this.#api.ping(ip).then(
      ({ Err }) => !Err,
      () => false,
    )
    if (!alive) {
      return new DeployError('HD-TAILNET-06', `${name} is in the tailnet and does not answer.`, {
        why: 'The control server calls it online, and yet nothing comes back from it, neither directly nor relayed.',
        fix: 'On the host `tailscale netcheck` shows what its network lets through.',
        cause: error,
      })
    }
    const tags = (status.Self?.Tags ?? []).join(', ') || 'this runner'
    return new DeployError('HD-TAILNET-06', `${name} answers in the tailnet, but its port ${port} does not.`, {
      why: `The policy of the tailnet does not let ${tags} in there, or a firewall on the host drops it.`,
      fix: `In the policy, ${portRule(endsOf(status, peer, host), port)}. If there is such a rule, the firewall of the host is in the way: look at it for the interface tailscale0.`,
      cause: error,
    })
  }
}

function notRunning({ BackendState, Health }: Status, cause: unknown): DeployError {
  return new DeployError('HD-TAILNET-04', `The runner is not in the tailnet any more (${BackendState}).`, {
    why: (Health ?? []).join(' '),
    fix: 'Somebody removed the node, or its key expired. Run the job again.',
    cause,
  })
}

function notInSight(status: Status, { host, port }: Place, cause: unknown): DeployError {
  const names = Object.values(status.Peer ?? {}).map((peer) => nameOf(peer).split('.')[0] || peer.HostName)
  const tags = (status.Self?.Tags ?? []).join(', ') || 'this runner'
  const ends = endsOf(status, undefined, host)
  const seen = names.length === 0 ? 'It shows no other machine' : `It shows ${names.sort().slice(0, 10).join(', ')}`
  return new DeployError('HD-TAILNET-05', `The tailnet does not show ${host} to this runner.`, {
    why: `${seen}${names.length > 10 ? ` and ${names.length - 10} more` : ''} to ${tags}. A machine is only shown to those whom the policy lets reach it.`,
    fix: `Compare the name with \`tailscale status\` on the host. If it is right, the policy lacks a rule, ${portRule(ends, port)}${isTag(ends.to) ? `, with the tag of the host in place of ${ends.to}` : ''}.`,
    cause,
  })
}

const isTag = (call: string): boolean => call.startsWith('tag:')

function since({ LastSeen }: PeerStatus): string {
  return LastSeen && !LastSeen.startsWith('0001-') ? ` since ${LastSeen}` : ''
}

/** What the daemon says, as the errors that everybody knows. */
function codeOf(said: string): string {
  if (/refused/i.test(said)) return 'ECONNREFUSED'
  if (/no route|unreachable/i.test(said)) return 'EHOSTUNREACH'
  if (/resolve failure|no such host/i.test(said)) return 'ENOTFOUND'
  return 'ETIMEDOUT'
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

function placeOf(text: string): Place {
  const { hostname, port } = new URL(`tcp://${text}`)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
}
