import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { runAction } from '../helpers/run-action.ts'
import {
  deploy,
  expectError,
  expectResult,
  expectSettled,
  inputsFor,
  ledger,
  liveTree,
  stateOf,
} from '../helpers/story.ts'

/** Three releases of three commits; a rollback knows nothing but the connection, and has no checkout. */
let host: EmbeddedHost
const shas = ['aaaa', 'bbbb', 'cccc'].map((start) => start.padEnd(40, '0'))
const releases: string[] = []
const rollback = async (more: Record<string, string> = {}) =>
  await runAction({
    inputs: {
      ...inputsFor(host, { path: undefined, strategy: undefined, activate: undefined }),
      mode: 'rollback',
      ...more,
    },
    sha: 'f'.repeat(40),
  })

beforeAll(async () => {
  host = await startHost()
  for (const [n, sha] of shas.entries()) {
    const inputs = {
      activate: `[ ! -e "$HOME/refuse-${n}" ]; echo ${n} >"$HOME/activated"`,
      prepare: 'cp v "$HOME/prepared"',
      protect: 'data',
    }
    const result = await deploy(host, { source: { v: `${n}\n`, [`only-${n}`]: '' }, inputs, sha })
    expectResult(result, 'deployed')
    releases.push(result.outputs['release'] as string)
  }
  await host.write({ 'app/data/db': 'rows' })
})
afterAll(async () => {
  await expectSettled(host)
  await host[Symbol.asyncDispose]()
})
const treeOf = (n: number) => ({ v: `${n}\n`, [`only-${n}`]: '', 'data/db': 'rows' })

describe('mode: rollback', () => {
  it('without `to` goes to the release before the one that runs', async () => {
    const result = await rollback()
    expectResult(result, 'deployed')
    expect(result.outputs).toMatchObject({
      result: 'deployed',
      release: releases[1],
      'previous-release': releases[2],
      revision: shas[1],
      'previous-revision': shas[2],
      changed: 'true',
    })
    expect(await liveTree(host)).toEqual(treeOf(1))
    expect((await ledger(host)).at(-1)).toMatchObject({ mode: 'rollback', result: 'deployed', release: releases[1] })
  })

  it('with an id goes to that release, forwards too', async () => {
    expectResult(await rollback({ to: releases[2] as string }), 'deployed')
    expect(await liveTree(host)).toEqual(treeOf(2))
  })

  it('with the beginning of a commit goes to its release', async () => {
    expectResult(await rollback({ to: 'aaaa00' }), 'deployed')
    expect(await liveTree(host)).toEqual(treeOf(0))
  })

  it('with nothing earlier says so', async () => {
    expectError(await rollback(), 'HD-ROLL-02', 'no earlier release', releases[0] as string)
    expect(await liveTree(host)).toEqual(treeOf(0))
  })

  it('with an unknown one lists those there are, and which one runs', async () => {
    const message = expectError(
      await rollback({ to: 'deadbeef' }),
      'HD-ROLL-02',
      'No release on the host matches deadbeef',
    )
    for (const id of releases) expect(message).toContain(id)
    expect(message).toMatch(new RegExp(`${releases[0]} .*runs now`))
  })

  it('says it for an application that was never deployed, and leaves no trace of it', async () => {
    expectError(
      await rollback({ name: 'never' }),
      'HD-ROLL-02',
      'has no release of this application yet',
      'check `name`',
    )
    expect(await readdir(join(stateOf(host, 'never'), 'releases')).catch(() => [])).toEqual([])
  })

  it('that fails itself is taken back as any other deploy', async () => {
    await host.write({ 'refuse-1': '' })
    const result = await rollback({ to: releases[1] as string })
    expectResult(result, 'rolled-back')
    expectError(result, 'HD-STEP-01', '`activate` ended with exit code 1')
    expect(result.outputs).toMatchObject({ release: releases[0], changed: 'false' })
    expect(await liveTree(host)).toEqual(treeOf(0))
  })
})

it.concurrent('releases beyond `keep` go, but never the one to go back to', async () => {
  await using other = await startHost()
  for (const text of ['1', '2', '3'])
    expectResult(await deploy(other, { source: { v: text }, inputs: { keep: '1' }, sha: text.repeat(40) }), 'deployed')
  const kept = await readdir(join(stateOf(other), 'releases'))
  expect(kept.map((id) => id.split('-')[2])).toEqual(['2222222', '3333333'])
})
