import type { Duplex } from 'node:stream'
import { Deadline, humanDuration, sleep } from '../clock.ts'
import { ConnectionLost, DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import { diagnose, dial, worthRetrying } from './dial.ts'
import { HostKeyJudge, type SeenKey } from './host-key.ts'
import { readPrivateKey } from './private-key.ts'
import { authRefused, type Credentials, HandshakeError, SshConnection } from './ssh.ts'
import { type Address, showAddress, type Target } from './target.ts'

export interface ConnectContext {
  readonly log: Log
  readonly signal?: AbortSignal | undefined
  /** A GitHub-hosted runner: it sits in nobody's private network. */
  readonly hosted?: boolean
}

/** Connects to the target, through its jump host when it has one, with every key verified. */
export async function connect(target: Target, context: ConnectContext): Promise<SshConnection> {
  const credentials: Credentials = { key: readPrivateKey(target), agent: target.agent }
  const { jump } = target
  if (jump === undefined) {
    const judge = new HostKeyJudge(target.address, target.hostKey)
    return await reach(target.address, judge, credentials, target.connectTimeout, context, (ms) =>
      dial(target.address, ms, context.signal),
    )
  }
  const jumpJudge = new HostKeyJudge(jump.address, jump.hostKey, 'jump-host-key')
  const through = await reach(jump.address, jumpJudge, credentials, target.connectTimeout, context, (ms) =>
    dial(jump.address, ms, context.signal),
  )
  try {
    const judge = new HostKeyJudge(target.address, target.hostKey)
    const connection = await reach(target.address, judge, credentials, target.connectTimeout, context, () =>
      onwards(through, target.address),
    )
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
  address: Address,
  judge: HostKeyJudge,
  credentials: Credentials,
  timeoutMs: number,
  context: ConnectContext,
  open: (timeoutMs: number) => Promise<Duplex>,
): Promise<SshConnection> {
  const deadline = new Deadline(timeoutMs)
  const seen: SeenKey[] = []
  let algorithms = judge.algorithms()
  for (let attempt = 1; ; attempt++) {
    let failure: unknown
    try {
      const socket = await open(Math.min(Math.max(deadline.left, 1_000), 15_000))
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
        ? authRefused(address, credentials, failure.cause)
        : failure.rejected === 'algorithms'
          ? noCommonAlgorithm(address, failure.cause)
          : judge.refusal(seen)
    }
    if (deadline.passed || !worthRetrying(failure, attempt))
      throw await final(address, failure, timeoutMs - deadline.left, context)
    if (attempt === 1) {
      context.log.info(`${showAddress(address)}: ${said(failure)}; trying for another ${humanDuration(deadline.left)}`)
    }
    await sleep(Math.min(250 * 2 ** (attempt - 1), 3_000, deadline.left), context.signal)
  }
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
  return await diagnose(address, failure, waitedMs, context.hosted ?? false)
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
