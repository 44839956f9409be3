import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import tar from 'tar-stream'

/** How the server treats one request for a path: `ok` serves what it has, a number is a status, `cut` ends in the middle. */
export type Mood = 'ok' | 'cut' | 'silent' | number

/** A server of packages, as that of Tailscale is laid out; what it says is up to the test. */
export async function packageServer() {
  const files = new Map<string, Buffer>()
  const moods = new Map<string, Mood[]>()
  const asked: string[] = []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? ''
    asked.push(path)
    const mood = moods.get(path)?.shift() ?? 'ok'
    const file = files.get(path)
    if (mood === 'silent') return
    if (typeof mood === 'number' || file === undefined) response.writeHead(mood === 'ok' ? 404 : Number(mood)).end('no')
    else if (mood === 'cut') {
      response.writeHead(200, { 'content-length': file.length })
      response.write(file.subarray(0, file.length / 2), () => response.destroy())
    } else response.writeHead(200, { 'content-length': file.length }).end(file)
  })
  // As a proxy it leads everywhere, which is here.
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(`CONNECT ${request.url}`)
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    server.emit('connection', socket)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    moods,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A package with two programs, each of which says what it is. */
export async function packageFile(version: string): Promise<Buffer> {
  const pack = tar.pack()
  const folder = `tailscale_${version}_amd64`
  pack.entry({ name: `${folder}/`, type: 'directory' })
  for (const name of ['tailscale', 'tailscaled'])
    pack.entry({ name: `${folder}/${name}`, mode: 0o755 }, `#!/bin/sh\necho ${name} ${version}\n`)
  pack.entry({ name: `${folder}/systemd/tailscaled.service` }, '[Service]\n')
  pack.finalize()
  return gzipSync(await buffer(pack))
}

export const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex')

/** What lies beside a package: keys signed by a root of our own, and their signature of the package. */
export function signed(content: Buffer) {
  const [root, signing] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')]
  const raw = (key: typeof root.publicKey) =>
    key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
  const keys = Buffer.from(
    `-----BEGIN SIGNING PUBLIC KEY-----\n${raw(signing.publicKey)}\n-----END SIGNING PUBLIC KEY-----\n`,
  )
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(content.length))
  const message = Buffer.concat([createHash('blake2s256').update(content).digest(), length])
  return {
    root: raw(root.publicKey),
    keys,
    keysSignature: sign(null, keys, root.privateKey),
    signature: sign(null, message, signing.privateKey),
  }
}
