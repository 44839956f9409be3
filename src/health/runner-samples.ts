import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { connect as startTls } from 'node:tls'
import { errorCode } from '../remote/dial.ts'
import type { Network } from '../remote/network.ts'
import { runTool } from '../runner/exec.ts'
import type { Check, Sample } from './check.ts'
import { httpSample, judgeCommand } from './judge.ts'

const patienceMs = 5_000

/** Looks once at a check from the runner: the way the users of the service come. */
export async function sampleOnRunner(check: Check, network: Network): Promise<Sample> {
  const began = performance.now()
  const took = () => Math.round(performance.now() - began)
  if (check.kind === 'http') return { incarnation: '', ...(await askUrl(check, network, took)) }
  if (check.kind === 'tcp') {
    const seen = await knock(check.host, check.port, network)
    return { healthy: seen === 'open', seen, latencyMs: took(), incarnation: '' }
  }
  if (check.kind === 'command') {
    const { code, stdout, stderr } = await runTool('/bin/sh', [], { input: Buffer.from(check.command) })
    return { ...judgeCommand(check, code, stdout || stderr), latencyMs: took(), incarnation: '' }
  }
  throw new TypeError(`${check.kind} is asked on the host`)
}

async function askUrl(
  check: Extract<Check, { kind: 'http' }>,
  network: Network,
  took: () => number,
): Promise<Omit<Sample, 'incarnation'>> {
  try {
    const signal = AbortSignal.timeout(patienceMs)
    const response = await get(new URL(check.url), network, signal)
    return httpSample(check, response.statusCode ?? 0, await text(response), took(), '')
  } catch (error) {
    return httpSample(check, 0, '', took(), wordsOf(error))
  }
}

async function get(url: URL, network: Network, signal: AbortSignal): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const secure = url.protocol === 'https:'
  const socket = await network.dial({ host, port: Number(url.port) || (secure ? 443 : 80) }, patienceMs, signal)
  const servername = isIP(host) ? {} : { servername: host }
  const connection = secure ? startTls({ socket, ...servername, host }) : socket
  const answer = Promise.withResolvers<IncomingMessage>()
  const request = (secure ? httpsRequest : httpRequest)(url, {
    signal,
    headers: { connection: 'close', 'user-agent': 'homelab-deploy' },
    createConnection: () => connection as Duplex,
  })
  request.on('response', answer.resolve).on('error', answer.reject).end()
  return await answer.promise
}

async function knock(host: string, port: number, network: Network): Promise<string> {
  try {
    const socket = await network.dial({ host, port }, patienceMs)
    socket.on('error', () => {}).destroy()
    return 'open'
  } catch (error) {
    return errorCode(error) === 'ETIMEDOUT' ? 'no answer in 5 s' : wordsOf(error)
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof Error && ['AbortError', 'TimeoutError'].includes(error.name)) return 'no answer in 5 s'
  return errorCode(error) || (error instanceof Error ? error.message || error.name : String(error))
}
