import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import {
  deploy,
  expectError,
  expectResult,
  expectSettled,
  expectUntouched,
  liveTree,
  stateOf,
} from '../helpers/story.ts'

/** Staging and prod: prod takes what staging has run in good health, and nothing else. */
let staging: EmbeddedHost
let prod: EmbeddedHost
beforeEach(async () => {
  staging = await startHost()
  prod = await startHost({ authorizedKeys: [staging.clientKey.public] })
})
afterEach(async () => {
  for (const host of [staging, prod]) await host[Symbol.asyncDispose]()
})

const [one, two] = ['a', 'b'].map((letter) => letter.repeat(40)) as [string, string]
const config = () => `
defaults: { path: ~/app, strategy: script, activate: "test ! -e ill" }
targets:
  staging: { host: "${staging.target}" }
  prod: { host: "${prod.target}", require-release: staging }
`
const keys = () => [staging, prod].map(({ knownHostsLine }) => knownHostsLine).join('\n')
const to = async (target: string, sha: string, files: Record<string, string> = {}) =>
  await deploy(staging, {
    sha,
    source: { v: `${sha.slice(0, 1)}\n`, '.github/homelab-deploy.yml': config(), ...files },
    inputs: {
      target,
      'host-key': keys(),
      'allow-downgrade': 'true',
      host: undefined,
      path: undefined,
      strategy: undefined,
      activate: undefined,
    },
  })

it('refuses a commit that was never there, and takes the one that is healthy there', async () => {
  expectError(await to('prod', one), 'HD-PROMOTE-01', 'never deployed there', staging.target)
  await expectUntouched(prod)
  expectResult(await to('staging', one), 'deployed')
  const result = await to('prod', one)
  expectResult(result, 'deployed')
  expect(result.maskedLog).toContain('is healthy there')
  expect((await liveTree(prod))['v']).toBe('a\n')
  for (const host of [staging, prod]) await expectSettled(host)
})

it('refuses one that has failed there, and one that another took the place of', async () => {
  expectResult(await to('staging', one), 'deployed')
  expectResult(await to('staging', two, { ill: '' }), 'rolled-back')
  expectError(await to('prod', two), 'HD-PROMOTE-01', 'It runs aaaaaaaaaaaa there')
  expectResult(await to('staging', two), 'deployed')
  expectError(await to('prod', one), 'HD-PROMOTE-01', 'It runs bbbbbbbbbbbb there')
  await expectUntouched(prod)
})

it('refuses while nobody knows how the last deploy there ends', async () => {
  expectResult(await to('staging', one), 'deployed')
  await staging.write({ '.local/state/homelab-deploy/shop/pending.json': '{"id":"some-id"}' })
  expectError(await to('prod', one), 'HD-PROMOTE-01', 'some-id is open there')
})

it('names a host where there is no config file, and asks it without changing anything there', async () => {
  const inputs = { 'require-release': staging.target, host: prod.target, 'host-key': keys() }
  expectError(await deploy(staging, { sha: one, inputs }), 'HD-PROMOTE-01', 'never deployed there')
  expectResult(await deploy(staging, { sha: one }), 'deployed')
  const before = await readFile(join(stateOf(staging), 'ledger.jsonl'), 'utf8')
  expectResult(await deploy(staging, { sha: one, inputs }), 'deployed')
  expect(await readFile(join(stateOf(staging), 'ledger.jsonl'), 'utf8')).toBe(before)
})
