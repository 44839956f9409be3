import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { runAction } from '../helpers/run-action.ts'
import { deploy, expectError, expectResult, expectSettled, inputsFor, ledger } from '../helpers/story.ts'

/** The files that a reboot has taken along, written again, and nothing else done. */
let host: EmbeddedHost
beforeEach(async () => {
  host = await startHost()
})
afterEach(async () => await host[Symbol.asyncDispose]())

const base64 = (text: string) => Buffer.from(text).toString('base64')
const secrets = (text: string) => ({ 'secret-files': `${host.home}/run/token <- ${base64(text)}` })
const token = () => readFile(join(host.home, 'run/token'), 'utf8')
const upload = async (more: Record<string, string>) => {
  const { activate: _, strategy: __, path: ___, ...connection } = inputsFor(host)
  return await runAction({ inputs: { ...connection, mode: 'upload-keys', ...more } })
}

it('writes the secret files of the release that runs, without activating it again', async () => {
  const first = await deploy(host, { inputs: { activate: 'echo x >>"$HOME/activated"', ...secrets('old-secret') } })
  expectResult(first, 'deployed')
  await rm(join(host.home, 'run'), { recursive: true })
  const result = await upload(secrets('new-secret'))
  expectResult(result, 'deployed')
  expect(result.outputs['release']).toBe(first.outputs['release'])
  expect(await token()).toBe('new-secret')
  expect((await stat(join(host.home, 'run/token'))).mode & 0o777).toBe(0o600)
  expect(await readFile(join(host.home, 'activated'), 'utf8')).toBe('x\n')
  expect((await ledger(host)).map(({ mode, result }) => `${mode} ${result}`)).toEqual([
    'deploy deployed',
    'upload-keys deployed',
  ])
  await expectSettled(host)
})

it('puts the old ones back when what runs is not healthy with the new ones', async () => {
  expectResult(await deploy(host, { inputs: secrets('old-secret') }), 'deployed')
  const health = 'command: cat "$HOME/run/token" => old-secret'
  const result = await upload({ ...secrets('new-secret'), health, 'health-timeout': '1s', 'health-stable': '0s' })
  expectResult(result, 'rolled-back')
  expect(await token()).toBe('old-secret')
  await expectSettled(host)
})

it('needs a release', async () => {
  expectError(await upload(secrets('new-secret')), 'HD-ROLL-02', 'Deploy first')
})
