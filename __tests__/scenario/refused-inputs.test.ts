import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { makeKey } from '../helpers/keys.ts'
import { deploy, expectError, expectNoLogin } from '../helpers/story.ts'

/** Whatever is wrong with the inputs is said before the host hears of us: not one connection. */
let host: EmbeddedHost
beforeAll(async () => {
  host = await startHost()
})
afterAll(async () => {
  expect(host.connections).toBe(0)
  await expectNoLogin(host)
  await host[Symbol.asyncDispose]()
})

test.concurrent('an unknown input, a misspelt one and a wrong value are told together, each with its fix', async () => {
  const result = await deploy(host, {
    inputs: { activaet: 'x', frobnicate: '1', keep: 'many', 'connect-timeout': '90', sync: 'rsnyc' },
  })
  expectError(
    result,
    'HD-INPUT-01',
    '5 problems',
    'nothing was touched',
    '`activaet` is not an input of this action. Did you mean `activate`?',
    '`frobnicate` is not an input of this action.',
    '`keep` "many" is not a number',
    '`connect-timeout` "90" is not a duration. Did you mean `90s`?',
    '`sync` "rsnyc" is not known. Did you mean `rsync`?',
  )
})

test.concurrent('a secret that is empty is an error that names it', async () => {
  const result = await deploy(host, { inputs: { 'ssh-key': '' } })
  expectError(result, 'HD-ENV-01', '`ssh-key` is empty', 'secrets.SSH_KEY', 'forks and Dependabot')
  expect(result.outputs).toMatchObject({ result: 'failed', changed: 'false' })
})

test.concurrent('a secret that is empty is skipped only where that was asked for, loudly', async () => {
  const result = await deploy(host, { inputs: { 'ssh-key': '', 'if-unconfigured': 'skip' } })
  expect(result).toMatchObject({ exitCode: 0, errors: [], outputs: { result: 'unchanged' } })
  expect(result.warnings[0]?.message).toContain('ssh-key is empty')
})

test.concurrent('an empty secret and another problem are no reason to skip', async () => {
  const result = await deploy(host, { inputs: { 'ssh-key': '', 'if-unconfigured': 'skip', path: 'app' } })
  expectError(result, 'HD-INPUT-01', '`ssh-key` is empty', '`path` "app" is not absolute')
})

test.concurrent('values that a tool would read as an option or a second line are refused', async () => {
  const result = await deploy(host, {
    inputs: { host: '-oProxyCommand=id', path: '-rf', name: 'a\nb', to: '--all', source: '-x' },
  })
  expectError(
    result,
    'HD-INPUT-01',
    '`host` "-oProxyCommand=id" begins with `-`',
    '`path` "-rf" begins with `-`',
    '`source`',
    '`name`',
  )
})

test.concurrent('a directory that is not this application’s alone is refused', async () => {
  for (const path of ['/', '/home/deploy', '~/.ssh', '/srv/../etc']) {
    expectError(await deploy(host, { inputs: { path } }), 'HD-INPUT-01', '`path`', JSON.stringify(path))
  }
})

test.concurrent('a public key, a cut one and one in the form of PuTTY are each called what they are', async () => {
  const key = makeKey()
  for (const [text, says] of [
    [key.public, 'holds a public key'],
    [key.private.slice(0, -60), 'its END line is missing'],
    ['PuTTY-User-Key-File-3: ssh-ed25519\n', 'puttygen'],
    ['hunter2-is-not-a-key', 'is no private key'],
  ] as const) {
    const result = await deploy(host, { inputs: { 'ssh-key': text } })
    expectError(result, 'HD-INPUT-01', '`ssh-key`', says)
    expect(result.maskedLog).not.toContain('hunter2')
  }
})
