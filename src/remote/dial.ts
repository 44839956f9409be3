import { lookup } from 'node:dns/promises'
import { connect, isIP, type Socket } from 'node:net'
import { humanDuration } from '../clock.ts'
import { DeployError } from '../errors.ts'
import { type Address, type Place, showAddress } from './target.ts'

/** One TCP connection. Throws Node's own error: `diagnose` turns the last one into words. */
export async function dial({ host, port }: Place, timeoutMs: number, signal?: AbortSignal): Promise<Socket> {
  signal?.throwIfAborted()
  return await new Promise((resolve, reject) => {
    // Without noDelay every request waits for a delayed ACK: ssh2 writes a packet in three or four pieces.
    const socket = connect({ host, port, noDelay: true, keepAlive: true, autoSelectFamilyAttemptTimeout: 1_000 })
    const timer = setTimeout(() => fail(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })), timeoutMs)
    const abort = () => fail(signal?.reason as Error)
    signal?.addEventListener('abort', abort, { once: true })
    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      socket.off('error', fail)
    }
    function fail(error: Error) {
      settle()
      socket.on('error', () => {}).destroy()
      reject(error)
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      settle()
      resolve(socket)
    })
  })
}

/** The errors that another try in a second may cure. A name that does not exist is not one of them for long. */
export function worthRetrying(error: unknown, attempt: number): boolean {
  return errorCode(error) !== 'ENOTFOUND' || attempt < 3
}

export function errorCode(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorCode(error.errors[0])
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Which rung of the ladder broke (name, route, port, banner), why, and what to do. */
export async function diagnose(
  address: Address,
  error: unknown,
  waitedMs: number,
  hosted: boolean,
): Promise<DeployError> {
  const { host, port } = address
  const where = showAddress(address)
  const waited = `Tried for ${humanDuration(waitedMs)}.`
  const code = errorCode(error)
  const options = { cause: error }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new DeployError('HD-NET-01', `The name ${host} could not be resolved.`, {
      ...options,
      why: `The runner's DNS does not know it. ${waited}`,
      fix: 'Check the spelling of `host`. A name that only your tailnet or your own DNS knows needs the `tailnet-…` inputs, or the IP address.',
    })
  }
  if (code === 'SSH_BANNER') {
    return new DeployError('HD-NET-08', `${where} answers, but not with SSH.`, {
      ...options,
      why: `${error instanceof Error ? error.message : ''} ${waited}`,
      fix: `Check that sshd is what listens on port ${port}. On a busy host, raise MaxStartups in sshd_config.`,
    })
  }
  if (hosted && isPrivate(await resolved(host))) {
    return new DeployError('HD-NET-06', `${host} is a private address, which a GitHub-hosted runner cannot reach.`, {
      ...options,
      why: `The connection failed with ${code || 'no answer'}, and this runner is in no tailnet or VPN that leads there. ${waited}`,
      fix: 'Join your tailnet with the `tailnet-…` inputs, go through a `jump-host`, or use a self-hosted runner.',
    })
  }
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'EADDRNOTAVAIL') {
    return new DeployError('HD-NET-07', `There is no route to ${host}.`, {
      ...options,
      why: `The network answered ${code}. ${waited}`,
      fix: 'Check that the host is up and that the runner is in the same network, tailnet or VPN.',
    })
  }
  const refused = code === 'ECONNREFUSED'
  return new DeployError('HD-NET-03', `Port ${port} of ${host} ${refused ? 'is closed' : 'does not answer'}.`, {
    ...options,
    why: refused
      ? `The host is there, and nothing listens on the port. ${waited}`
      : `No answer came (${code || 'no error given'}): a firewall, an ACL, or a host that is down. ${waited}`,
    fix: `On the host, \`ss -ltn | grep :${port}\` shows whether sshd listens; write another port as \`${address.user}@${host}:PORT\`.`,
  })
}

async function resolved(host: string): Promise<string> {
  if (isIP(host)) return host
  return await lookup(host).then(
    ({ address }) => address,
    () => '',
  )
}

/** RFC 1918, carrier-grade NAT (Tailscale lives there), link-local, and their IPv6 counterparts. */
export function isPrivate(ip: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|169\.254\.|f[cd]|fe80:)/i.test(
    ip,
  )
}
