import type { Duplex } from 'node:stream'
import { Deadline, humanDuration, sleep } from '../clock.ts'
import { ConnectionLost, DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import { diagnose, worthRetrying } from './dial.ts'
import { asVouched, HostKeyJudge, type SeenKey } from './host-key.ts'
import { type Network, ownNetwork } from './network.ts'
import { readPrivateKey } from './private-key.ts'
import { authRefused, type Credentials, HandshakeError, SshConnection } from './ssh.ts'
import { type Address, type HostKeyPolicy, showAddress, type Target } from './target.ts'

export interface ConnectContext {
  readonly log: Log
  readonly signal?: AbortSignal | undefined
  /** A GitHub-hosted runner: it sits in nobody's private network. */
  readonly hosted?: boolean
  /** The way to hosts, where that is not the runner's own network. */
  readonly network?: Network | undefined
}

/** One SSH server on the way. */
interface Hop {
  readonly address: Address
  readonly hostKey: HostKeyPolicy
  /** The input that speaks of its key. */
  readonly input: string
  /** Dialled by us, and not by a host in between. */
  readonly direct: boolean
  readonly open: (timeoutMs: number) => Promise<Duplex>
}

/** Connects to the target, through its jump host when it has one, with every key verified. */
export async function connect(target: Target, context: ConnectContext): Promise<SshConnection> {
  const network = context.network ?? ownNetwork
  // Where the network knows who we are, no key may be needed at all.
  const keyless = network.identify !== undefined
  const credentials: Credentials = { key: readPrivateKey(target), agent: target.agent, keyless }
  const { jump, address, hostKey, connectTimeout } = target
  const hop = (to: Pick<Hop, 'address' | 'hostKey'>, input: string): Hop => ({
    address: to.address,
    hostKey: to.hostKey,
    input,
    direct: true,
    open: (ms) => network.dial(to.address, ms, context.signal),
  })
  if (jump === undefined) return await reach(hop(target, 'host-key'), credentials, connectTimeout, context)
  const through = await reach(hop(jump, 'jump-host-key'), credentials, connectTimeout, context)
  try {
    const inner = { address, hostKey, input: 'host-key', direct: false, open: () => onwards(through, address) }
    const connection = await reach(inner, credentials, connectTimeout, context)
    connection.through = through
    connection.ended.addEventListener('abort', () => void through[Symbol.asyncDispose]())
    return connection
  } catch (error) {
    await through[Symbol.asyncDispose]()
    throw error
  }
}

async function onwards(jump: SshConnection, address: Address): Promise<Duplex> {
  try {
    return await jump.forward(address)
  } catch (error) {
    if (error instanceof ConnectionLost) throw error
    const said = error instanceof Error ? error.message : String(error)
    throw Object.assign(new Error(said), {
      code: /prohibited/i.test(said) ? 'FORWARDING' : /refused/i.test(said) ? 'ECONNREFUSED' : 'ETIMEDOUT',
    })
  }
}

/** Tries until an SSH banner was seen; what the server says after that is final. */
async function reach(
  { address, hostKey, input, direct, open }: Hop,
  credentials: Credentials,
  timeoutMs: number,
  context: ConnectContext,
): Promise<SshConnection> {
  const network = context.network ?? ownNetwork
  const deadline = new Deadline(timeoutMs)
  const seen: SeenKey[] = []
  let judge = new HostKeyJudge(address, hostKey, input)
  let algorithms = judge.algorithms()
  for (let attempt = 1; ; attempt++) {
    let failure: unknown
    try {
      const socket = await open(Math.min(Math.max(deadline.left, 1_000), 15_000))
      if (hostKey.mode === 'tailnet' && seen.length === 0) {
        // Asked now: before the connection the network may not have known the host.
        const vouched = await asVouched(hostKey, address, network, { direct, input }).catch((error: unknown) => {
          socket.destroy()
          throw error
        })
        judge = new HostKeyJudge(address, vouched, input)
        algorithms ??= judge.algorithms()
      }
      return await SshConnection.open(socket, address, judge, credentials, {
        timeoutMs: Math.max(deadline.left, 2_000),
        hostKeyAlgorithms: algorithms,
      })
    } catch (error) {
      context.signal?.throwIfAborted()
      if (error instanceof DeployError) throw error
      failure = error
    }
    if (failure instanceof HandshakeError && failure.rejected !== 'ended') {
      algorithms = keyTypesLeft(judge, failure, seen)
      if (algorithms !== undefined) continue
      throw failure.rejected === 'auth'
        ? authRefused(address, credentials, failure, await tagsOf(address, failure, direct ? network : undefined))
        : failure.rejected === 'algorithms'
          ? noCommonAlgorithm(address, failure.cause)
          : judge.refusal(seen)
    }
    if (deadline.passed || !worthRetrying(failure, attempt))
      throw await final(address, failure, timeoutMs - deadline.left, context, direct ? network : undefined)
    if (attempt === 1) {
      context.log.info(`${showAddress(address)}: ${said(failure)}; trying for another ${humanDuration(deadline.left)}`)
    }
    await sleep(Math.min(250 * 2 ** (attempt - 1), 3_000, deadline.left), context.signal)
  }
}

/** For the rule that a policy lacks; to know them is not needed, so that not being told them is no error. */
async function tagsOf(address: Address, { tailscale }: HandshakeError, network: Network | undefined) {
  return tailscale ? await network?.tags?.(address).catch(() => undefined) : undefined
}

/**
 * A server shows one key of the several it has, and a fingerprint may be that of another: ask for the types not seen
 * yet. Undefined when there is nothing more to ask for.
 */
function keyTypesLeft(judge: HostKeyJudge, failure: HandshakeError, seen: SeenKey[]): string[] | undefined {
  if (failure.rejected === 'auth' || failure.rejected === 'algorithms') return undefined
  const allTypes = [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ]
  if (failure.rejected === 'no-host-key') {
    // Nothing of the pinned types: look once at what the host does have, so that the message can show it.
    return seen.length === 0 && judge.algorithms() !== undefined ? allTypes : undefined
  }
  if (failure.seen === undefined || seen.length > 4) return undefined
  const repeated = seen.some(({ fingerprint }) => fingerprint === failure.seen?.fingerprint)
  if (!repeated) seen.push(failure.seen)
  if (repeated || judge.algorithms() !== undefined || judge.judge(failure.seen) !== 'mismatch') return undefined
  return allTypes.filter(
    (type) => !seen.some((key) => key.type === type || (key.type === 'ssh-rsa' && type.startsWith('rsa'))),
  )
}

async function final(
  address: Address,
  failure: unknown,
  waitedMs: number,
  context: ConnectContext,
  network: Network | undefined,
): Promise<DeployError> {
  if (failure instanceof HandshakeError && failure.banner === 'ssh') {
    return new ConnectionLost(`${showAddress(address)} ended the connection before the login.`, {
      why: `${failure.cause.message}.`,
      fix: 'Look at the log of sshd on the host (`journalctl -u ssh -n 20`).',
      cause: failure,
    })
  }
  if (failure instanceof HandshakeError) {
    const text =
      failure.banner === 'other'
        ? 'The first bytes were not an SSH banner.'
        : 'The connection was accepted, and no banner came.'
    return await diagnose(address, Object.assign(new Error(text), { code: 'SSH_BANNER' }), waitedMs, false)
  }
  if (failure instanceof Error && 'code' in failure && failure.code === 'FORWARDING') {
    return new DeployError('HD-NET-03', `The jump host does not forward to ${showAddress(address)}.`, {
      why: `It said: ${failure.message}.`,
      fix: 'Set `AllowTcpForwarding yes` (or `local`) in its sshd_config.',
      cause: failure,
    })
  }
  return (
    (await network?.diagnose?.(address, failure)) ??
    // A runner that is in a tailnet is told by that, and not by its own address, what it can reach.
    (await diagnose(address, failure, waitedMs, (context.hosted ?? false) && network?.identify === undefined))
  )
}

function noCommonAlgorithm(address: Address, cause: Error): DeployError {
  return new DeployError('HD-SSH-10', `${showAddress(address)} and this action share no SSH algorithm.`, {
    why: `${cause.message}.`,
    fix: 'Update sshd on the host, or allow a modern algorithm (curve25519-sha256, aes128-gcm, ssh-ed25519) in sshd_config.',
    cause,
  })
}

function said(failure: unknown): string {
  if (failure instanceof HandshakeError) return failure.banner === 'none' ? 'no SSH banner yet' : failure.message
  return failure instanceof Error ? failure.message : String(failure)
}
