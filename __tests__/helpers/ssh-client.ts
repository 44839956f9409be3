import { once } from 'node:events'
import { connect } from 'node:net'
import ssh2 from 'ssh2'
import type { TestHost } from './test-host.ts'

export interface Answer {
  readonly code: number | null
  readonly signal: string | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface Client extends Disposable {
  readonly raw: ssh2.Client
  run(command: string, stdin?: string | Buffer): Promise<Answer>
}

/** A plain SSH client, for tests of the helpers themselves and for a look at a host from outside. No part of the action. */
export async function sshClient(
  host: Pick<TestHost, 'address' | 'port' | 'user' | 'clientKey'>,
  config: ssh2.ConnectConfig = {},
): Promise<Client> {
  const raw = new ssh2.Client()
  const sock = config.sock ?? connect({ host: host.address, port: host.port, noDelay: true })
  const ready = new Promise<void>((resolve, reject) => {
    raw
      .once('ready', resolve)
      .on('error', reject)
      .once('close', () => reject(new Error('closed')))
    sock.once('error', reject)
  })
  raw.connect({ username: host.user, privateKey: host.clientKey.private, ...config, sock })
  await ready
  return {
    raw,
    run: (command, stdin) => run(raw, command, stdin),
    [Symbol.dispose]: () => void raw.end(),
  }
}

async function run(client: ssh2.Client, command: string, stdin?: string | Buffer): Promise<Answer> {
  const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) =>
    client.exec(command, (error, opened) => (error ? reject(error) : resolve(opened))),
  )
  const out: Buffer[] = []
  const err: Buffer[] = []
  let code: number | null = null
  let signal: string | undefined
  channel.on('data', (chunk: Buffer) => void out.push(chunk))
  channel.stderr.on('data', (chunk: Buffer) => void err.push(chunk))
  channel.on('exit', (...[status, name]: [number | null, string?]) => {
    code = status
    signal = name
  })
  channel.end(stdin)
  await once(channel, 'close')
  return { code, signal, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') }
}
