import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { startDelayProxy } from '../../helpers/delay-proxy.ts'

async function echo() {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { host: '127.0.0.1', port, [Symbol.dispose]: () => void server.close() }
}

async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  return String((await once(socket, 'data'))[0])
}

test('every packet waits both ways, and round trips are counted', async () => {
  using server = await echo()
  await using proxy = await startDelayProxy(server, 20)
  const socket = connect({ ...proxy, port: proxy.port, host: proxy.host, noDelay: true })
  await once(socket, 'connect')
  const before = performance.now()
  for (let n = 0; n < 5; n++) expect(await ask(socket, `${n}`)).toBe(`${n}`)
  const took = performance.now() - before
  expect(took).toBeGreaterThan(195)
  expect(took).toBeLessThan(600)
  expect(proxy.traffic).toEqual({ connections: 1, roundTrips: 5, bytesUp: 5, bytesDown: 5 })
  socket.destroy()
})

test('megabytes pass in order, and the end is passed on', async () => {
  using server = await echo()
  await using proxy = await startDelayProxy(server, 5)
  const socket = connect({ port: proxy.port, host: proxy.host, noDelay: true })
  const sent = Buffer.from(Array.from({ length: 12 << 20 }, (_, n) => n % 251))
  const got: Buffer[] = []
  socket.on('data', (chunk) => got.push(chunk)).end(sent)
  await once(socket, 'close')
  expect(Buffer.concat(got).equals(sent)).toBe(true)
})

test('a drop is seen as a reset', async () => {
  using server = await echo()
  await using proxy = await startDelayProxy(server)
  const socket = connect({ port: proxy.port, host: proxy.host })
  await ask(socket, 'hello')
  proxy.drop()
  await expect(once(socket, 'close')).rejects.toThrow(/ECONNRESET/)
})
