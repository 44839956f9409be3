import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { makeKey } from '../helpers/keys.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, expectError, expectNoLogin, expectResult } from '../helpers/story.ts'

describe('a key of the secret store', () => {
  const damages: Record<string, (key: string) => string> = {
    'without its last line break': (key) => key.trimEnd(),
    'with the line breaks of Windows': (key) => key.replaceAll('\n', '\r\n'),
    'with blanks around its lines': (key) => `\n  ${key.replaceAll('\n', '\n  ')}\n\n`,
    'on one line, with \\n in it': (key) => key.replaceAll('\n', '\\n'),
    'in quotes': (key) => `"${key.trim()}"`,
    'on one line, with blanks': (key) => key.trim().replaceAll('\n', ' '),
  }
  it.concurrent.each(Object.entries(damages))('is repaired: %s', async (_name, damage) => {
    await using host = await startHost()
    const text = damage(host.clientKey.private)
    const result = await deploy(host, { inputs: { 'ssh-key': text } })
    expectResult(result, 'deployed')
    const secret = host.clientKey.private.split('\n').slice(1, -2)
    for (const line of secret) expect(result.maskedLog).not.toContain(line)
  })

  it.concurrent.each(['rsa', 'ecdsa', 'ed25519'] as const)('works with a passphrase: %s', async (type) => {
    const key = makeKey(type, 'correct horse')
    await using host = await startHost({ authorizedKeys: [key.public] })
    const inputs = { 'ssh-key': key.private, 'ssh-key-passphrase': 'correct horse\n' }
    expectResult(await deploy(host, { inputs }), 'deployed')
  })
})

describe('an SSH agent', () => {
  async function startAgent(folder: string, keys: readonly string[]) {
    const socket = join(folder, 'agent')
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
    await once(agent.stdout, 'data')
    for (const [n, key] of keys.entries()) {
      const file = join(folder, `key-${n}`)
      await writeFile(file, key)
      await chmod(file, 0o600)
      execFileSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' })
    }
    return { socket, [Symbol.dispose]: () => void agent.kill() }
  }
  const missing = () => {
    try {
      execFileSync('sh', ['-c', 'command -v ssh-agent ssh-add'])
      return false
    } catch {
      return true
    }
  }

  it.concurrent('gives the key where none is given', async ({ skip }) => {
    if (missing()) skip('ssh-agent is not installed')
    await using host = await startHost()
    await using folder = await scratch('agent')
    using agent = await startAgent(folder.path, [makeKey('rsa').private, host.clientKey.private])
    const result = await deploy(host, { inputs: { 'ssh-key': undefined }, env: { SSH_AUTH_SOCK: agent.socket } })
    expectResult(result, 'deployed')
  })

  it.concurrent('without a key that fits is told from a key that does not fit', async ({ skip }) => {
    if (missing()) skip('ssh-agent is not installed')
    await using host = await startHost()
    await using folder = await scratch('agent')
    using agent = await startAgent(folder.path, [makeKey().private])
    const result = await deploy(host, { inputs: { 'ssh-key': undefined }, env: { SSH_AUTH_SOCK: agent.socket } })
    expectError(result, 'HD-SSH-09', 'No key of the SSH agent opened', 'ssh-add -l')
    await expectNoLogin(host)
  })

  it.concurrent('that is gone is named', async () => {
    await using host = await startHost()
    const env = { SSH_AUTH_SOCK: join(host.home, 'no-agent') }
    const result = await deploy(host, { inputs: { 'ssh-key': undefined, 'connect-timeout': '2s' }, env })
    expectError(result, 'HD-SSH-09', 'SSH_AUTH_SOCK')
    await expectNoLogin(host)
  })
})
