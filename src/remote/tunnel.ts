import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { quote } from '../shell.ts'
import type { Host } from './host.ts'

/** A local socket behind which every connection becomes a command on the host. */
export interface Tunnel extends AsyncDisposable {
  /** Words for `rsync -e` or `GIT_SSH_COMMAND`. */
  readonly command: string
  /** What the commands printed to stderr, and whether one of them failed. */
  readonly errors: () => { text: string; failed: boolean }
}

/**
 * Lets rsync and git use the connection that is open, so that they need no login, no key file and no host key
 * handling of their own. `directory` must be private and its path short: a socket's path ends at 107 bytes. When `signal`
 * aborts, the tunnel closes, and with it whoever uses it ends.
 */
export async function openTunnel(host: Host, directory: string, signal?: AbortSignal): Promise<Tunnel> {
  const path = join(directory, 'ssh')
  const bridge = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? 'bridge.ts' : 'bridge.js')
  const sockets = new Set<Socket>()
  let text = ''
  let failed = false
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    serve(host, socket, (chunk) => {
      text = (text + chunk).slice(-4_000)
    }).then(
      (code) => {
        failed ||= code !== 0
        socket.end()
      },
      (error: Error) => {
        failed = true
        text += error.message
        socket.destroy()
      },
    )
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  signal?.addEventListener('abort', cut, { once: true })
  server.listen(path)
  await once(server, 'listening')
  return {
    command: [process.execPath, bridge, path].map(quote).join(' '),
    errors: () => ({ text: text.trim(), failed }),
    async [Symbol.asyncDispose]() {
      signal?.removeEventListener('abort', cut)
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

async function serve(host: Host, socket: Socket, onError: (chunk: string) => void): Promise<number> {
  const words = await firstLine(socket)
  // What ssh would do: everything behind the host name, joined by spaces, is the command. Options come before it.
  const at = words.findIndex(
    (word, index) => !word.startsWith('-') && words[index - 1] !== '-l' && words[index - 1] !== '-p',
  )
  const pipe = await host.pipe(words.slice(at + 1).join(' '))
  pipe.stderr.on('data', (chunk: Buffer) => onError(chunk.toString()))
  socket.on('close', () => pipe.close())
  socket.pipe(pipe.stdin)
  pipe.stdout.pipe(socket, { end: false })
  socket.resume()
  return await pipe.exit
}

async function firstLine(socket: Socket): Promise<string[]> {
  let head = Buffer.alloc(0)
  for (;;) {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) {
      await once(socket, 'readable')
      continue
    }
    head = Buffer.concat([head, chunk])
    const end = head.indexOf(10)
    if (end < 0) continue
    socket.unshift(head.subarray(end + 1))
    return JSON.parse(head.toString('utf8', 0, end)) as string[]
  }
}
