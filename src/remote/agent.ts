import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import type { ParsedKey } from 'ssh2'

/** Messages of the agent's protocol, as far as a client with one key in sight needs an answer to them. */
const type = { failure: 5, askIdentities: 11, identities: 12, askSignature: 13, signature: 14 } as const
const withSha256 = 2
const withSha512 = 4

/**
 * An SSH agent that holds one key, for tools that come with an OpenSSH of their own: the key is on no disk, and one with a
 * passphrase is of use to tools that could not ask for it. `path` must be short and in a private folder: it is a socket. (The agent
 * of ssh2 loses its place at the first message that it does not know, and OpenSSH sends one.)
 */
export async function serveKey(key: ParsedKey, path: string): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
    let waiting = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk])
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32BE(0)) {
        const end = 4 + waiting.readUInt32BE(0)
        socket.write(field(answer(key, waiting.subarray(4, end))))
        waiting = waiting.subarray(end)
      }
    })
  })
  server.listen(path)
  await once(server, 'listening')
  await chmod(path, 0o600)
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function answer(key: ParsedKey, message: Buffer): Buffer {
  const blob = key.getPublicSSH()
  if (message[0] === type.askIdentities)
    return Buffer.concat([Buffer.from([type.identities, 0, 0, 0, 1]), field(blob), field(Buffer.alloc(0))])
  try {
    if (message[0] === type.askSignature) {
      const wanted = readField(message, 1)
      const data = readField(message, 5 + wanted.length)
      const flags = message.readUInt32BE(9 + wanted.length + data.length)
      if (wanted.equals(blob)) return Buffer.concat([Buffer.from([type.signature]), field(sign(key, data, flags))])
    }
  } catch {
    // A message that ends too early.
  }
  return Buffer.from([type.failure])
}

/** RSA keys have two good ways to sign, and the client says which; all others have one. */
function sign(key: ParsedKey, data: Buffer, flags: number): Buffer {
  const hash =
    key.type !== 'ssh-rsa' ? undefined : flags & withSha512 ? 'sha512' : flags & withSha256 ? 'sha256' : 'sha1'
  const signature = key.sign(data, hash) as Buffer | Error
  if (signature instanceof Error) throw signature
  const format = hash === 'sha512' ? 'rsa-sha2-512' : hash === 'sha256' ? 'rsa-sha2-256' : key.type
  const body = key.type.startsWith('ecdsa-') ? pairOf(signature) : signature
  return Buffer.concat([field(Buffer.from(format)), field(body)])
}

/** The two numbers of an ECDSA signature: a sequence in DER, two fields in SSH. */
function pairOf(der: Buffer): Buffer {
  const first = (der[1] ?? 0) > 0x80 ? 3 : 2
  const second = first + 2 + (der[first + 1] ?? 0)
  const number = (at: number) => field(der.subarray(at + 2, at + 2 + (der[at + 1] ?? 0)))
  return Buffer.concat([number(first), number(second)])
}

function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function readField(message: Buffer, at: number): Buffer {
  const end = at + 4 + message.readUInt32BE(at)
  if (end > message.length) throw new RangeError('the field is longer than its message')
  return message.subarray(at + 4, end)
}
