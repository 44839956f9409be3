import { connect } from 'node:net'
import { runTool } from '../runner/exec.ts'
import type { Check, Sample } from './check.ts'
import { httpSample, judgeCommand } from './judge.ts'

/** Looks once at a check from the runner: the way the users of the service come. */
export async function sampleOnRunner(check: Check): Promise<Sample> {
  const began = performance.now()
  const took = () => Math.round(performance.now() - began)
  if (check.kind === 'http') return { incarnation: '', ...(await askUrl(check, took)) }
  if (check.kind === 'tcp') {
    const seen = await knock(check.host, check.port)
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
  took: () => number,
): Promise<Omit<Sample, 'incarnation'>> {
  try {
    const response = await fetch(check.url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(5_000),
      headers: { connection: 'close' },
    })
    const body = await response.text()
    return httpSample(check, response.status, body, took(), '')
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return httpSample(check, 0, '', took(), cause instanceof Error ? cause.message || cause.name : String(cause))
  }
}

async function knock(host: string, port: number): Promise<string> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 5_000 })
    const end = (seen: string) => {
      socket.destroy()
      resolve(seen)
    }
    socket.once('connect', () => end('open'))
    socket.once('timeout', () => end('no answer in 5 s'))
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  })
}
