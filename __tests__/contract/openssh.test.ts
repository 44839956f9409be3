import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openSshFor, sshConfig } from '../../src/remote/openssh.ts'
import type { Target } from '../../src/remote/target.ts'
import { Secret } from '../../src/secret.ts'
import { type KeyType, makeKey } from '../helpers/keys.ts'
import { type OpensshHost, startOpensshHost } from '../helpers/openssh-host.ts'
import { type Scratch, scratch } from '../helpers/scratch.ts'
import { readTree } from '../helpers/tree.ts'

/** What colmena and Nix are given so that an OpenSSH of their own reaches a host as the run itself does: by the real ssh. */
let host: OpensshHost | undefined
let temp: Scratch
beforeEach(async () => {
  temp = await scratch('openssh')
})
afterEach(async () => {
  await host?.[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

/** As colmena calls it, which says `accept-new` whatever the configuration says. */
async function ssh(config: string, target: Target, env: Readonly<Record<string, string>>) {
  const { user, host: name, port } = target.address
  const accept = ['-o', 'StrictHostKeyChecking=accept-new', '-o', 'BatchMode=yes', '-T']
  const words = [`${user}@${name}`, ...accept, '-p', `${port}`, '-F', config, '--', 'echo', 'hello']
  const child = spawn('ssh', words, { env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const code = await new Promise((resolve) => child.on('close', resolve))
  return { code, said: said.trim() }
}

it.each([
  ['ed25519', undefined],
  ['ed25519', 'a passphrase'],
  ['rsa', undefined],
  ['ecdsa', 'another'],
] as [KeyType, string?][])(
  'logs in with a key of type %s, passphrase %s, that is in no file',
  async (type, passphrase) => {
    const key = makeKey(type, passphrase)
    host = await startOpensshHost({ authorizedKeys: [key.public] })
    if (host === undefined) return
    const { user, address, port } = host
    const target: Target = {
      address: { user, host: address, port },
      hostKey: { mode: 'strict' },
      key: new Secret(key.private),
      connectTimeout: 5_000,
      ...(passphrase && { passphrase: new Secret(passphrase) }),
    }
    await using open = await openSshFor([{ target, hostKeyLine: host.knownHostsLine }], temp.path)
    expect(await ssh(open.config, target, { SSH_CONFIG_FILE: open.config })).toEqual({ code: 0, said: 'hello' })
  },
)

const targetOf = ({ user, address, port, clientKey }: OpensshHost): Target => ({
  address: { user, host: address, port },
  hostKey: { mode: 'strict' },
  key: new Secret(clientKey.private),
  connectTimeout: 5_000,
})

it('trusts no host but the one that was verified, though colmena accepts new ones', async () => {
  host = await startOpensshHost({ hostKeys: ['ed25519', 'ecdsa'] })
  if (host === undefined) return
  const [ed25519, ecdsa] = host.hostKeys
  const { address, port } = host
  const target = targetOf(host)
  const line = (key = makeKey()) => key.line(address, port)
  const said = async (hostKeyLine: string) => {
    await using open = await openSshFor([{ target, hostKeyLine }], temp.path)
    return await ssh(open.config, target, {})
  }
  expect((await said(line(ed25519))).code).toBe(0)
  expect((await said(line(ecdsa))).code).toBe(0)
  // The same type with another key, and a type that the host does not have.
  expect(await said(line())).toMatchObject({
    code: 255,
    said: expect.stringContaining('HOST IDENTIFICATION HAS CHANGED'),
  })
  expect(await said(line(makeKey('rsa')))).toMatchObject({
    code: 255,
    said: expect.stringContaining('no matching host key type'),
  })
})

it('leaves nothing behind, and what reads its files finds no key in them', async () => {
  const clientKey = makeKey()
  const target: Target = {
    address: { user: 'root', host: 'a', port: 22 },
    hostKey: { mode: 'strict' },
    key: new Secret(clientKey.private),
    connectTimeout: 5_000,
  }
  await (async () => {
    await using open = await openSshFor([{ target, hostKeyLine: makeKey().line('a', 22) }], temp.path)
    expect((await stat(open.config)).mode & 0o777).toBe(0o600)
    expect(JSON.stringify(await readTree(temp.path))).not.toContain('PRIVATE')
  })()
  expect(Object.keys(await readTree(temp.path))).toEqual([])
})

it('goes the way of the run: through a network, or a jump host', () => {
  const target: Target = {
    address: { user: 'root', host: 'web', port: 22 },
    hostKey: { mode: 'strict' },
    connectTimeout: 5_000,
  }
  const known = { target, hostKeyLine: makeKey().line('web', 22) }
  const files = { knownHosts: '/k', agent: '' }
  const text = sshConfig([known], files, 'tailscale --socket=/s nc %h %p')
  expect(text).toContain('ProxyCommand tailscale --socket=/s nc %h %p')
  const jump = { address: { user: 'me', host: 'gate', port: 2222 }, hostKey: { mode: 'strict' } as const }
  const through = { ...known, target: { ...target, jump }, jumpKeyLine: makeKey().line('gate', 2222) }
  expect(sshConfig([through], files, undefined)).toMatch(
    /Host hd-jump\n {2}HostName gate\n {2}Port 2222[\s\S]*Host web\n[\s\S]*ProxyJump hd-jump/,
  )
})
