import { existsSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, expectResult, stateOf } from '../helpers/story.ts'
import { nobody } from '../helpers/test-host.ts'
import { readTree } from '../helpers/tree.ts'

it.concurrent('says what the host is, and who we are there', async () => {
  await using host = await startHost()
  const result = await deploy(host)
  expectResult(result, 'deployed')
  const facts = result.groups.find(({ title }) => title === 'Read facts')?.lines.join('\n')
  expect(facts).toMatch(/user \S+, sudo: (none|some|any)/)
  expect(result.summary).toContain('deploy@127.0.0.1')
})

it.concurrent('finds its tools by absolute folders, whatever PATH the login has', async () => {
  await using host = await startHost({ onlyPath: ['/nowhere'] })
  const result = await deploy(host, { inputs: { activate: 'cat index.html' } })
  expectResult(result, 'deployed')
})

it.concurrent('puts the state where XDG_STATE_HOME says', async () => {
  await using elsewhere = await scratch('state', process.getuid?.() === 0 ? nobody : undefined)
  await using host = await startHost({ env: { XDG_STATE_HOME: elsewhere.path } })
  expectResult(await deploy(host), 'deployed')
  expect(existsSync(join(elsewhere.path, 'homelab-deploy/shop/current'))).toBe(true)
  expect(existsSync(stateOf(host))).toBe(false)
})

it.concurrent('takes a path that is a link to a folder', async () => {
  await using host = await startHost()
  await host.write({ 'real/old': 'x' })
  await symlink('real', join(host.home, 'app'))
  expectResult(await deploy(host, { source: { new: 'y' } }), 'deployed')
  expect(await readTree(join(host.home, 'real'))).toEqual({ new: 'y' })
})

it.concurrent('needs no path where nothing is sent', async () => {
  await using host = await startHost()
  expectResult(await deploy(host, { inputs: { sync: 'none', path: undefined } }), 'deployed')
})
