import { createServer, type Socket } from 'node:net'
import ssh2 from 'ssh2'
import { expect, it } from 'vitest'
import { makeKey } from '../helpers/keys.ts'
import { runAction } from '../helpers/run-action.ts'

const client = makeKey()

/** What tailscaled does to a login: its greeting, a text for the user, and then nothing or the end. */
async function tailscaleSsh(banner: string, onAuth: (end: () => void) => void) {
  const key = makeKey()
  const server = new ssh2.Server({ hostKeys: [key.private], ident: 'Tailscale', banner }, (connection) => {
    connection.on('error', () => {}).on('authentication', () => onAuth(() => connection.end()))
  })
  const sockets = new Set<Socket>()
  const port = createServer((socket) => {
    sockets.add(socket)
    server.injectSocket(socket)
  })
  port.listen(0, '127.0.0.1')
  await new Promise((resolve) => port.once('listening', resolve))
  const { port: number } = port.address() as { port: number }
  return {
    inputs: {
      host: `deploy@127.0.0.1:${number}`,
      'host-key': key.line('127.0.0.1', number),
      'ssh-key': client.private,
      path: '/srv/app',
      strategy: 'script',
      activate: 'true',
      'connect-timeout': '30s',
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => port.close(resolve))
    },
  }
}

it.concurrent('a policy that wants somebody to follow a link is told apart, and not waited for', async () => {
  const text =
    '# Tailscale SSH requires an additional check.\n# To authenticate, visit: https://login.tailscale.com/a/1a2b3c\n'
  await using server = await tailscaleSsh(text, () => {})
  const run = await runAction({ inputs: server.inputs })
  expect(run.errors[0]?.message, run.maskedLog).toMatch(/Tailscale SSH did not let us in.*action `check`.*HD-SSH-03/s)
  expect(run.durationMs).toBeLessThan(10_000)
})

it.concurrent('a user whom the policy forbids is told so at once, though the server only hangs up', async () => {
  await using server = await tailscaleSsh('tailscale: tailnet policy does not permit you to SSH\n', (end) => end())
  const run = await runAction({ inputs: server.inputs })
  expect(run.errors).toHaveLength(1)
  expect(run.errors[0]?.message, run.maskedLog).toMatch(
    /no rule for this user; it said: tailscale: tailnet policy does not permit/,
  )
  expect(run.errors[0]?.message).toMatch(/"users": \["deploy"\].*HD-SSH-03/s)
  expect(run.durationMs).toBeLessThan(10_000)
})
