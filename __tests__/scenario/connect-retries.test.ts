import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { deploy, expectError, expectResult, starting } from '../helpers/story.ts'

/** A host that is just booting is waited for, until its SSH server has said its first line. */
const patient = { 'connect-timeout': '20s' }

it.concurrent('a port that is closed first and open later', async () => {
  await using host = await startHost()
  host.refuse()
  await using run = await starting(host, { inputs: patient })
  await run.line(/ECONNREFUSED.*trying for another/)
  await host.listen()
  expectResult(await run.finished, 'deployed')
})

it.concurrent('a port that says nothing first, as behind a socket that starts sshd', async () => {
  await using host = await startHost({ greeting: 'silence' })
  await using run = await starting(host, { inputs: patient })
  while (host.connections === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  host.drop()
  await run.line(/no SSH banner yet; trying for another/)
  host.greeting = 'ssh'
  expectResult(await run.finished, 'deployed')
})

it.concurrent('a port where something else answers first', async () => {
  await using host = await startHost({ greeting: 'garbage' })
  await using run = await starting(host, { inputs: patient })
  await run.line(/trying for another/)
  host.greeting = 'ssh'
  expectResult(await run.finished, 'deployed')
})

it.concurrent('a connection that is reset before the login', async () => {
  await using host = await startHost()
  const fault = host.inject({ do: 'reset', afterBytes: 300, times: 2 })
  expectResult(await deploy(host, { inputs: patient }), 'deployed')
  expect(fault.fired).toBe(2)
})

it.concurrent('one that never gets past the handshake ends with a message about sshd', async () => {
  await using host = await startHost()
  const fault = host.inject({ do: 'reset', afterBytes: 300, times: 100 })
  const result = await deploy(host, { inputs: { 'connect-timeout': '1s' } })
  expectError(result, 'HD-SSH-05', 'ended the connection before the login', 'journalctl -u ssh')
  expect(fault.fired).toBeGreaterThan(1)
})

it.concurrent('lines before the banner are allowed, as the protocol says', async () => {
  await using host = await startHost()
  const { connect } = await import('node:net')
  const server = createServer((socket) => {
    socket.write('Authorized use only.\r\n')
    const onwards = connect(host.port, '127.0.0.1')
    socket.pipe(onwards).pipe(socket)
    for (const end of [socket, onwards]) end.on('error', () => end.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const inputs = { host: `deploy@127.0.0.1:${port}`, 'host-key': host.hostKey.fingerprint }
  expectResult(await deploy(host, { inputs }), 'deployed')
  server.close()
})

it.concurrent('a cancel ends the waiting at once', async () => {
  await using host = await startHost()
  host.refuse()
  await using run = await starting(host, { inputs: patient, cancelWhen: /trying for another/ })
  const result = await run.finished
  expectError(result, 'HD-CANCEL-01')
  expect(result.main.durationMs).toBeLessThan(5_000)
})
