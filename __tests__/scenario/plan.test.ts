import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Report } from '../../src/report/report.ts'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { scratch } from '../helpers/scratch.ts'
import { scratches, still } from '../helpers/still.ts'
import {
  deploy,
  eventually,
  expectError,
  expectResult,
  forgetLease,
  liveTree,
  type Story,
  starting,
  stateOf,
} from '../helpers/story.ts'
import { commitTree } from '../helpers/tree.ts'

/** What a deploy would do and what would stop it, from a host on which not even a time is another one afterwards. */
let host: EmbeddedHost
beforeEach(async () => {
  host = await startHost()
})
afterEach(async () => {
  // A folder in memory, which is gone once the connection is.
  await eventually(async () => expect(await scratches()).toEqual([]), 5_000)
  await host[Symbol.asyncDispose]()
})

async function plan(story: Story = {}) {
  const before = await still(host.home)
  const result = await deploy(host, { ...story, inputs: { ...story.inputs, mode: 'plan' } })
  expect(await still(host.home)).toEqual(before)
  return { ...result, plan: (result.report as Report | undefined)?.plan?.[0] }
}

describe('mode: plan', () => {
  it('of a first deploy says what comes, and leaves nothing behind', async () => {
    const result = await plan({ source: { 'a.txt': '1\n', 'b/c.txt': '22\n' } })
    expectResult(result, 'planned')
    expect(result.plan).toMatchObject({ unchanged: false, obstacles: [], commands: ['activate'] })
    expect(result.plan?.changes).toMatchObject({
      added: ['a.txt', 'b/c.txt'],
      counts: { added: 2, changed: 0, removed: 0 },
      bytesSent: 5,
    })
    expect(result.outputs).toMatchObject({ result: 'planned', changed: 'false', release: '' })
    expect(await liveTree(host).catch(() => ({}))).toEqual({})
  })

  it('says what changes, what goes, which commits and variables come, and how long it took before', async () => {
    await using workspace = await scratch('workspace')
    const first = await commitTree(workspace.path, { keep: 'k\n', change: 'one\n', go: 'g\n' })
    const inputs = { 'env-file': 'OLD=1\nSAME=2\n', backup: 'tar: data' }
    await host.write({ 'app/data/rows': 'rows' })
    expectResult(
      await deploy(host, { workspace: workspace.path, inputs: { ...inputs, protect: 'data' }, sha: first }),
      'deployed',
    )

    await rm(join(workspace.path, 'go'))
    await commitTree(workspace.path, { change: 'two\n' }, 'change it <img src=x> @all | `x`')
    const next = await commitTree(workspace.path, { come: 'c\n' }, 'let it come')
    await host.write({ 'app/keep': 'edited by hand\n' })
    const result = await plan({
      workspace: workspace.path,
      inputs: { ...inputs, protect: 'data', 'env-file': 'SAME=2\nNEW=secret-value\n' },
      sha: next,
    })
    expectResult(result, 'planned')
    expect(result.plan).toMatchObject({
      changes: { added: ['come'], changed: ['change', 'keep'], removed: ['go'] },
      edited: ['keep'],
      env: { added: ['NEW'], removed: ['OLD'] },
      otherCommits: '',
      commits: [{ revision: next, subject: 'let it come' }, { subject: 'change it <img src=x> @all | `x`' }],
      commands: ['backup: tar: data', 'activate'],
      past: [{ result: 'deployed', activateMs: expect.any(Number) }],
    })
    expect(result.plan?.files).toEqual([join(host.home, 'app/.env')])
    expect(result.summary).not.toMatch(/<img|secret-value|@all/)
    expect(result.summary).toContain('let it come')
    expect(result.maskedLog).not.toContain('secret-value')
  })

  it('says that there is nothing to do, also for a commit that git would send', async () => {
    await using workspace = await scratch('workspace')
    const sha = await commitTree(workspace.path, { v: 'one\n', 'bin/run': { text: '#!/bin/sh\n', mode: 0o755 } })
    for (const sync of ['auto', 'git']) {
      expectResult(await deploy(host, { workspace: workspace.path, inputs: { sync, force: 'true' }, sha }), 'deployed')
      const result = await plan({ workspace: workspace.path, inputs: { sync }, sha })
      expectResult(result, 'planned')
      expect([sync, result.plan?.unchanged]).toEqual([sync, true])
      await commitTree(workspace.path, { v: 'not committed\n' })
      const next = await commitTree(workspace.path, { v: `${sync}\n` })
      const other = await plan({ workspace: workspace.path, inputs: { sync }, sha: next })
      expect(other.plan).toMatchObject({ unchanged: false, changes: { changed: ['v'], added: [], removed: [] } })
    }
  })

  it('tells all that is in the way at once, each with its fix', async () => {
    await using workspace = await scratch('workspace')
    const old = await commitTree(workspace.path, { v: 'old\n' })
    const newer = await commitTree(workspace.path, { v: 'new\n', 'a/x': '', 'a/y': '' })
    expectResult(await deploy(host, { workspace: workspace.path, sha: newer }), 'deployed')
    await rm(join(workspace.path, 'a'), { recursive: true })
    const result = await plan({
      workspace: workspace.path,
      sha: old,
      inputs: { 'delete-limit': '1', strategy: 'uv', activate: undefined, services: 'none' },
    })
    expect(result.outputs.result).toBe('failed')
    const message = expectError(result, 'HD-PLAN-01', 'HD-REV-01', 'HD-SYNC-01', 'allow-downgrade', 'delete-limit: 2')
    expect(message).toMatch(/HD-(PATH|UNIT)/)
    expect(result.plan?.obstacles.length).toBeGreaterThanOrEqual(3)
    expect(result.summary).toContain('In the way (1 of')
  })

  it('says which data could not be backed up, and touches none of it', async () => {
    await host.write({ 'app/data/rows': 'rows' })
    const backup = 'tar: data\ntar: later\ntar: data as=nobody-here\nsqlite: data/none.db\npostgres: no-such-database'
    const result = await plan({ inputs: { backup, protect: 'data' } })
    const [theirs, database, ...more] = result.plan?.obstacles ?? []
    expect(theirs).toMatchObject({
      code: 'HD-DATA-01',
      why: expect.stringMatching(/may not act as nobody-here.*NOPASSWD/),
    })
    // Without its tools, or without a server.
    expect(database).toMatchObject({
      code: expect.stringMatching(/HD-DATA-0[13]/),
      why: expect.stringContaining('postgres'),
    })
    expect(more).toEqual([])
    expect(result.plan?.notes.join()).toContain('later is not there yet')
  })

  it('one thing in the way keeps its own code', async () => {
    expectResult(await deploy(host, { source: { a: '', b: '', c: '' } }), 'deployed')
    const result = await plan({ source: { a: '' }, inputs: { 'delete-limit': '1' } })
    expectError(result, 'HD-SYNC-01', 'delete-limit: 2')
  })

  it('looks while a run is under way, and says so', async () => {
    await using run = await starting(host, { inputs: { activate: 'sleep 4' } })
    await run.line(/Activate/)
    const result = await deploy(host, { inputs: { mode: 'plan' } })
    expectResult(result, 'planned')
    expect(result.warnings.map(({ message }) => message).join('\n')).toMatch(/has the lock: https:.*4242/)
    expectResult(await run.finished, 'deployed')
  })

  it('settles nothing and takes nothing over, and tells of both', async () => {
    await using run = await starting(host, { inputs: { activate: 'sleep 60' } })
    await run.line(/Activate/)
    host.powerCut()
    run.kill()
    await run.finished
    await host.listen()
    await forgetLease(host)
    const result = await plan()
    expectResult(result, 'planned')
    const said = result.warnings.map(({ message }) => message).join('\n')
    expect(said).toMatch(/never came to its end/)
    expect(said).toMatch(/lock was left behind/)
  })

  it('tells of maintenance', async () => {
    await host.write({ '.local/state/homelab-deploy/shop/maintenance': 'the disk is being replaced\n' })
    expect((await plan()).warnings.map(({ message }) => message).join('\n')).toMatch(
      /maintenance.*the disk is being replaced/,
    )
  })

  it('with a path that may not be written says that, and all the rest besides', async () => {
    await mkdir(join(host.home, 'theirs'), { mode: 0o555 })
    const result = await plan({ inputs: { path: '~/theirs' } })
    expectError(result, 'HD-PATH-04', 'sudo install -d')
    expect(result.plan?.changes?.added).toEqual(['index.html'])
  })

  it.each(['is cancelled', 'dies'])('leaves nothing behind when the runner %s', async (how) => {
    await host.write({ 'app/mine': 'notes' })
    const before = await still(host.home)
    await using run = await starting(host, {
      inputs: { mode: 'plan', health: 'command: sleep 4', 'env-file': 'A=secret' },
    })
    await run.line(/Look at its health/)
    expect(await scratches()).toHaveLength(1)
    if (how === 'dies') run.kill()
    else run.cancel()
    const result = await run.finished
    await eventually(async () => expect(await scratches()).toEqual([]), 10_000)
    expect(await still(host.home)).toEqual(before)
    if (how !== 'dies') expectError(result, 'HD-CANCEL-01')
  })

  it('asks for what a deploy needs', async () => {
    expectError(
      await plan({ inputs: { path: undefined, activate: undefined } }),
      'HD-INPUT-01',
      '`path` is missing',
      '`activate` is missing',
    )
  })
})

it('of several hosts, one that cannot be reached hides nothing of the others', async () => {
  await using other = await startHost({ authorizedKeys: [host.clientKey.public] })
  const both = {
    host: `${host.target}\n${other.target}`,
    'host-key': `${host.knownHostsLine}\n${other.knownHostsLine}`,
    mode: 'plan',
  }
  const before = await still(other.home)
  const good = await deploy(host, { inputs: both })
  expectResult(good, 'planned')
  expect((good.report as Report).machines?.map(({ result }) => result)).toEqual(['planned', 'planned'])
  expect(await still(other.home)).toEqual(before)
  other.refuse()
  const bad = await deploy(host, { inputs: { ...both, 'connect-timeout': '1s' } })
  expectError(bad, 'HD-NET-03', String(other.port))
  expect((bad.report as Report).plan?.map(({ changes, obstacles }) => [changes?.added, obstacles.length])).toEqual([
    [['index.html'], 0],
    [undefined, 1],
  ])
  expect(
    await still(host.home).then((lines) => lines.some((line) => line.includes(stateOf(host).slice(host.home.length)))),
  ).toBe(false)
})
