import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Counters of what passed. A round trip is one answer: bytes from the server after bytes from the client. */
export interface Traffic {
  connections: number
  roundTrips: number
  bytesUp: number
  bytesDown: number
}

export interface DelayProxy extends AsyncDisposable {
  readonly host: string
  readonly port: number
  readonly traffic: Readonly<Traffic>
  /** Each way, so a round trip takes twice as long. */
  delayMs: number
  /** Counters back to zero, to measure a part of a story. */
  reset(): void
  /** Ends every connection: with an RST, or with a FIN. */
  drop(how?: 'reset' | 'close'): void
}

/** Stops reading from the faster side beyond this, as a full pipe would. */
const inFlight = 8 << 20

/**
 * A TCP proxy with the latency of a home line. It cannot lose packets; what it adds is the waiting, which is what
 * decides how long a chatty deploy takes. Without a delay, answers that cross on the wire may count twice.
 */
export async function startDelayProxy(target: { host: string; port: number }, delayMs = 0): Promise<DelayProxy> {
  const traffic: Traffic = { connections: 0, roundTrips: 0, bytesUp: 0, bytesDown: 0 }
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    traffic.connections++
    const upstream = connect({ ...target, noDelay: true, allowHalfOpen: true })
    let asked = false
    pass(client, upstream, (bytes) => {
      traffic.bytesUp += bytes
      asked = true
    })
    pass(upstream, client, (bytes) => {
      traffic.bytesDown += bytes
      if (asked) traffic.roundTrips++
      asked = false
    })
    for (const [here, there] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(here)
      here.on('error', () => there.resetAndDestroy())
      here.on('close', () => sockets.delete(here))
    }
  })

  function pass(from: Socket, to: Socket, seen: (bytes: number) => void) {
    let waiting = 0
    let full = false
    const later = (act: () => void) => void setTimeout(act, proxy.delayMs)
    from.on('data', (chunk) => {
      seen(chunk.length)
      waiting += chunk.length
      if (waiting > inFlight) from.pause()
      // Equal timers fire in the order in which they were set, so the bytes stay in order while the delay is constant.
      later(() => {
        waiting -= chunk.length
        if (to.destroyed || to.write(chunk) || full) return void (full || from.resume())
        full = true
        from.pause()
        to.once('drain', () => {
          full = false
          from.resume()
        })
      })
    })
    from.on('end', () => later(() => to.end()))
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const drop = (how: 'reset' | 'close' = 'reset') => {
    for (const socket of sockets) how === 'reset' ? socket.resetAndDestroy() : socket.destroy()
  }
  const proxy: DelayProxy = {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    traffic,
    delayMs,
    reset: () => void Object.assign(traffic, { connections: 0, roundTrips: 0, bytesUp: 0, bytesDown: 0 }),
    drop,
    async [Symbol.asyncDispose]() {
      drop('close')
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}
