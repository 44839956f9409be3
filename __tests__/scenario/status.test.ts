import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Report } from '../../src/report/report.ts'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { runAction } from '../helpers/run-action.ts'
import { scratches, still } from '../helpers/still.ts'
import { deploy, eventually, expectError, expectResult, inputsFor } from '../helpers/story.ts'

/** What runs, from nothing but the connection: no checkout, no inputs of the deploy. */
let host: EmbeddedHost
const health = 'command: cat "$HOME/well" => yes'
const env = 'A=one\nLONG="first\nSECOND=no name\n"\nB=two\n'
const more = { health, 'env-file': env, 'health-stable': '0s', protect: 'data' }
const [one, two] = ['a'.repeat(40), 'b'.repeat(40)]

beforeEach(async () => {
  host = await startHost()
  await host.write({ well: 'yes\n' })
  expectResult(await deploy(host, { source: { v: 'one\n' }, inputs: more, sha: one }), 'deployed')
  expectResult(await deploy(host, { source: { v: 'two\n', w: 'w\n' }, inputs: more, sha: two }), 'deployed')
})
afterEach(async () => {
  await eventually(async () => expect(await scratches()).toEqual([]), 5_000)
  await host[Symbol.asyncDispose]()
})

async function status(inputs: Record<string, string> = {}, of: readonly EmbeddedHost[] = [host]) {
  const before = await still(host.home)
  const given = inputsFor(host, { path: undefined, strategy: undefined, activate: undefined })
  const where = {
    host: of.map(({ target }) => target).join('\n'),
    'host-key': of.map((each) => each.knownHostsLine).join('\n'),
  }
  const result = await runAction({
    inputs: { ...given, ...where, mode: 'status', 'health-stable': '0s', 'health-timeout': '1s', ...inputs },
    skipPost: true,
  })
  expect(await still(host.home)).toEqual(before)
  return { ...result, status: (result.report as Report | undefined)?.status ?? [] }
}
const warned = (result: { warnings: { message: string }[] }) => result.warnings.map(({ message }) => message).join('\n')

describe('mode: status', () => {
  it('says what runs, since when, from which run, and what one can go back to', async () => {
    const result = await status()
    expectResult(result, 'healthy')
    expect(result.outputs).toMatchObject({ result: 'healthy', revision: two, changed: 'false' })
    expect(result.status).toMatchObject([
      {
        release: {
          revision: two,
          actor: 'octocat',
          ref: 'refs/heads/main',
          run: expect.stringContaining('/actions/runs/4242'),
        },
        drift: [],
        standing: [],
        releases: [{ revision: one }],
        past: [{ result: 'deployed' }, { result: 'deployed' }],
      },
    ])
    expect(result.summary).toContain('it is as it was deployed')
    expect(result.warnings).toEqual([])
  })

  it('since when: a release that was gone back to runs since then', async () => {
    const given = inputsFor(host, { path: undefined, strategy: undefined, activate: undefined })
    const back = { ...given, mode: 'rollback', 'health-stable': '0s' }
    expectResult(await runAction({ inputs: back, skipPost: true }), 'deployed')
    const [{ release } = {}] = (await status()).status
    expect(release?.revision).toBe(one)
    expect(Date.parse(release?.since ?? '')).toBeGreaterThan(Date.parse(release?.madeAt ?? ''))
  })

  it('lists what differs, by names and never by values; a warning unless it is to fail', async () => {
    await host.write({
      'app/v': 'by hand\n',
      'app/extra.txt': '',
      'app/data/rows': 'rows',
      'app/.env': 'A=hidden-value\nLONG="first\nSECOND=other\n"\nNEW="x\nTHIRD=secret\n"\n',
    })
    await rm(join(host.home, 'app/w'))
    const result = await status()
    expectResult(result, 'healthy')
    const env = join(host.home, 'app/.env')
    expect(result.status[0]?.drift.map(({ text }) => text)).toEqual([
      'v was changed',
      'w is gone',
      'extra.txt was added',
      `A has another value in ${env}`,
      `B is gone from ${env}`,
      `NEW is new in ${env}`,
    ])
    expect(warned(result)).toContain('v was changed')
    expect(result.summary + result.maskedLog + JSON.stringify(result.report)).not.toMatch(/hidden-value|SECOND|THIRD/)
    const failed = await status({ 'fail-on-drift': 'true' })
    expectResult(failed, 'unhealthy')
    expectError(failed, 'HD-STATUS-02', 'v was changed')
  })

  it('is red when a check does not hold, and says what it saw', async () => {
    await host.write({ well: 'no\n' })
    const result = await status()
    expectResult(result, 'unhealthy')
    expectError(result, 'HD-STATUS-01', 'cat "$HOME/well"', /no/)
    expect((result.report as Report).health).toMatchObject([{ check: health, healthy: false }])
    // What is given wins over what was recorded.
    expectResult(await status({ health: 'command: true' }), 'healthy')
  })

  it('tells of maintenance, and needs neither lock nor a path that it may write', async () => {
    await host.write({
      '.local/state/homelab-deploy/shop/maintenance': 'waiting for a disk\n',
      '.local/state/homelab-deploy/shop/lock/lease': '',
    })
    const result = await status()
    expectResult(result, 'healthy')
    expect(warned(result)).toMatch(/maintenance.*waiting for a disk/)
    expect(warned(result)).toMatch(/has the lock/)
    expect(result.status[0]?.standing).toHaveLength(2)
  })

  it('says it where nothing was deployed', async () => {
    expectError(await status({ name: 'never' }), 'HD-STATUS-03', 'Check `name`')
  })

  it('of several hosts judges each by itself', async () => {
    await using other = await startHost({ authorizedKeys: [host.clientKey.public] })
    const result = await status({}, [host, other])
    expectError(result, 'HD-STATUS-03', String(other.port))
    expect((result.report as Report).machines?.map(({ result }) => result)).toEqual(['healthy', 'failed'])
    other.refuse()
    await host.write({ well: 'no\n' })
    const worse = await status({ 'connect-timeout': '1s' }, [host, other])
    expect(worse.outputs['result']).toBe('failed')
    expectError(worse, 'HD-PLAN-01', 'HD-STATUS-01', 'HD-NET-03')
    expect((worse.report as Report).machines?.map(({ result }) => result)).toEqual(['unhealthy', 'failed'])
  })
})
