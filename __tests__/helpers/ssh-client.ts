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
  channel.on('data', (chunk: Buffer) => void out.push(chunk))
  channel.stderr.on('data', (chunk: Buffer) => void err.push(chunk))
  channel.end(stdin)
  // `exit` may be over before anybody can listen to it; `close` says the same again.
  const [code = null, signal] = (await once(channel, 'close')) as [(number | null)?, string?]
  return { code, signal, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') }
}
