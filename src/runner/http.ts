import { HttpClient } from '@actions/http-client'
import { unlessAborted } from '../abort.ts'

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

/** Larger than any package of Tailscale; who sends more sends something else. */
const mostBytes = 200 * 1_024 * 1_024

/** One request, by the proxy of the runner where it has one. A body that was cut off is an error, not a short body. */
export async function request(
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  options: {
    body?: string | undefined
    headers?: Record<string, string>
    timeoutMs: number
    signal?: AbortSignal | undefined
  },
): Promise<Answer> {
  const client = new HttpClient('homelab-deploy', [], { socketTimeout: options.timeoutMs, keepAlive: false })
  try {
    const { message } = await unlessAborted(
      client.request(method, url, options.body ?? null, { accept: '*/*', ...options.headers }),
      options.signal,
    )
    const length = Number(message.headers['content-length'] ?? Number.NaN)
    const destroy = () => message.destroy(options.signal?.reason as Error)
    options.signal?.addEventListener('abort', destroy, { once: true })
    const body = await read(message, url).finally(() => options.signal?.removeEventListener('abort', destroy))
    if (!Number.isNaN(length) && body.length !== length)
      throw new Error(`${url} ended after ${body.length} of ${length} bytes`)
    return { status: message.statusCode ?? 0, body }
  } finally {
    client.dispose()
  }
}

async function read(stream: AsyncIterable<Buffer>, url: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    length += chunk.length
    if (length > mostBytes) throw new Error(`${url} does not end`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
