import { execFile } from 'node:child_process'
import { chmod, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { runAction } from '../helpers/run-action.ts'
import {
  deploy,
  expectError,
  expectResult,
  expectSettled,
  inputsFor,
  ledger,
  liveTree,
  starting,
  stateOf,
} from '../helpers/story.ts'
import type { TestHost } from '../helpers/test-host.ts'

const sqlite = await promisify(execFile)('sqlite3', ['--version']).then(
  () => true,
  () => false,
)

/** The names of the backups below their folders. */
async function backups(host: TestHost): Promise<string[]> {
  const names = await readdir(join(stateOf(host), 'backups'), { recursive: true }).catch(() => [])
  return names
    .filter((name) => name.includes('/'))
    .map((name) => name.replace(/^(.*)-[0-9a-f]{8}\//, '$1/'))
    .toSorted()
}
const rows = async (host: TestHost) => ((await liveTree(host))['data/rows'] ?? '') as string

/** Backups lie beside what every story leaves. */
const settled = async (host: TestHost) => {
  await rm(join(stateOf(host), 'backups'), { recursive: true, force: true })
  await rm(join(stateOf(host), 'data.log'), { force: true })
  await expectSettled(host)
}

async function started(inputs: Record<string, string> = {}) {
  const host = await startHost()
  await host.write({ 'app/data/rows': 'a\n' })
  const first = await deploy(host, { source: { v: '1\n' }, inputs, sha: 'a'.repeat(40) })
  expectResult(first, 'deployed')
  return { host, first: first.outputs['release'] as string }
}

const inputs = { backup: 'tar: data keep=2', protect: 'data' }
const migrate = 'echo migrate begins; echo b >>data/rows'

describe.concurrent('the data of a deploy', () => {
  it('is backed up first, by the id of the release, and the summary says so', async () => {
    const { host, first } = await started(inputs)
    await using _ = host
    expect(await backups(host)).toEqual([`tar-data/${first}.tar.gz`])
    const second = await deploy(host, { source: { v: '2\n' }, inputs: { ...inputs, migrate }, sha: 'b'.repeat(40) })
    expectResult(second, 'deployed')
    expect(second.summary).toMatch(/Back up.*data \d+ B/)
    expect(second.summary).toMatch(/Migrate/)
    expect(await rows(host)).toBe('a\nb\n')
    expect((await ledger(host)).at(-1)).toMatchObject({ result: 'deployed', migration: 'done' })
    await settled(host)
  })

  it('that cannot be backed up leaves the old version untouched', async () => {
    const { host } = await started(inputs)
    await using _ = host
    await host.write({ 'app/data/secret': 'x' })
    await chmod(join(host.home, 'app/data/secret'), 0)
    const failed = await deploy(host, { source: { v: '2\n' }, inputs: { ...inputs, migrate }, sha: 'b'.repeat(40) })
    expectResult(failed, 'failed')
    expectError(failed, 'HD-DATA-01', 'app/data could not be backed up', /ermission denied/)
    expect(failed.outputs).toMatchObject({ changed: 'false' })
    expect((await liveTree(host))['v']).toBe('1\n')
    expect(await backups(host)).toHaveLength(1)
    expect((await ledger(host)).at(-1)).toMatchObject({ result: 'failed', code: 'HD-DATA-01' })
    await settled(host)
  })

  it('after a migration that failed: the old version serves, and is told that it is half-done', async () => {
    const { host } = await started(inputs)
    await using _ = host
    const failed = await deploy(host, {
      source: { v: '2\n' },
      inputs: { ...inputs, migrate: `${migrate}; echo the reason; exit 3` },
    })
    expectResult(failed, 'rolled-back')
    expectError(failed, 'HD-DATA-05', '`migrate` ended with exit code 3', 'the reason', 'half-done')
    expect((await liveTree(host))['v']).toBe('1\n')
    expect(await rows(host)).toBe('a\nb\n')
    expect((await ledger(host)).at(-1)).toMatchObject({ result: 'rolled-back', code: 'HD-DATA-05', migration: 'begun' })
    await settled(host)
  })

  it('comes back with `rollback: data`, and what it had become is kept', async () => {
    const { host } = await started(inputs)
    await using _ = host
    const failed = await deploy(host, {
      source: { v: '2\n' },
      inputs: { ...inputs, rollback: 'data', migrate, activate: 'exit 1' },
      sha: 'b'.repeat(40),
    })
    expectResult(failed, 'rolled-back')
    expectError(failed, 'HD-STEP-01')
    expect(failed.summary).toMatch(/Roll back.*back as of [^|]*: data/)
    expect(await rows(host)).toBe('a\n')
    expect((await backups(host)).filter((name) => name.includes('.failed.'))).toHaveLength(1)
    expect((await ledger(host)).at(-1)).toMatchObject({ migration: 'done', data: 'restored' })
    // Its effect is gone, so it runs again.
    const again = await deploy(host, {
      source: { v: '2\n' },
      inputs: { ...inputs, rollback: 'data', migrate },
      sha: 'b'.repeat(40),
    })
    expectResult(again, 'deployed')
    expect(await rows(host)).toBe('a\nb\n')
    await settled(host)
  })

  it('comes back when the job is cancelled in the migration', async () => {
    const { host } = await started(inputs)
    await using _ = host
    await using run = await starting(host, {
      source: { v: '2\n' },
      inputs: { ...inputs, rollback: 'data', migrate: `${migrate}; sleep 30` },
      cancelWhen: /migrate begins/,
    })
    const result = await run.finished
    expectError(result, 'HD-CANCEL-01')
    expect(await rows(host)).toBe('a\n')
    expect((await ledger(host)).at(-1)).toMatchObject({ result: 'rolled-back', migration: 'begun', data: 'restored' })
    await settled(host)
  })

  it('is not migrated twice for one release without a word', async () => {
    const { host } = await started(inputs)
    await using _ = host
    const story = { source: { v: '2\n' }, sha: 'b'.repeat(40) }
    const ill = { ...inputs, migrate, health: 'command: test -e ready', 'health-timeout': '1s', 'health-stable': '0s' }
    expectResult(await deploy(host, { ...story, inputs: ill }), 'rolled-back')
    await host.write({ 'app/data/ready': '' })
    const well = { ...ill, health: 'command: test -e data/ready' }
    const second = await deploy(host, { ...story, inputs: well })
    expectResult(second, 'deployed')
    expect(second.warnings.map(({ message }) => message).join()).toMatch(/ran before, and does not run again/)
    expect(await rows(host)).toBe('a\nb\n')
    const forced = await deploy(host, { ...story, inputs: { ...well, force: 'true' } })
    expectResult(forced, 'deployed')
    expect(await rows(host)).toBe('a\nb\nb\n')
    await settled(host)
  })
})

describe.concurrent('a rollback by hand', () => {
  const by = async (host: TestHost, more: Record<string, string> = {}) =>
    await runAction({
      inputs: {
        ...inputsFor(host, { path: undefined, strategy: undefined, activate: undefined }),
        mode: 'rollback',
        ...more,
      },
      skipPost: true,
    })

  it('leaves the data, backs it up all the same, and runs no migration', async () => {
    const { host, first } = await started({ ...inputs, migrate: 'echo 1 >>data/rows' })
    await using _ = host
    expectResult(
      await deploy(host, { source: { v: '2\n' }, inputs: { ...inputs, migrate }, sha: 'b'.repeat(40) }),
      'deployed',
    )
    const back = await by(host)
    expectResult(back, 'deployed')
    expect(await rows(host)).toBe('a\n1\nb\n')
    expect((await backups(host)).at(-1)).toMatch(
      new RegExp(`^tar-data/\\d{8}-\\d{6}-to-${first}.tar.gz$|^tar-data/${first}`),
    )
    expect(await backups(host)).toHaveLength(3)
    await settled(host)
  })

  it('takes the data back to where the release had left it, with `rollback: data`', async () => {
    const { host } = await started(inputs)
    await using _ = host
    await host.write({ 'app/data/rows': 'a\nof the first\n' })
    expectResult(
      await deploy(host, { source: { v: '2\n' }, inputs: { ...inputs, migrate }, sha: 'b'.repeat(40) }),
      'deployed',
    )
    const back = await by(host, { rollback: 'data' })
    expectResult(back, 'deployed')
    expect(back.summary).toMatch(/Bring back the data.*back as of [^|]*: data/)
    expect(await liveTree(host)).toEqual({ v: '1\n', 'data/rows': 'a\nof the first\n' })
    await settled(host)
  })

  it('is refused before anything is touched when there is no backup to go back to', async () => {
    const { host } = await started()
    await using _ = host
    expectResult(await deploy(host, { source: { v: '2\n' }, sha: 'b'.repeat(40) }), 'deployed')
    expectError(await by(host, { rollback: 'data' }), 'HD-DATA-06')
    expectError(await by(host, { rollback: 'data', backup: 'tar: data' }), 'HD-DATA-06', 'No backup was made')
    expect((await liveTree(host))['v']).toBe('2\n')
    await settled(host)
  })
})

it('at the console, too, data is backed up, and found again by a rollback from elsewhere', async () => {
  const { host, first } = await started(inputs)
  await using _ = host
  const second = await deploy(host, { source: { v: '2\n' }, inputs, sha: 'b'.repeat(40) })
  expectResult(second, 'deployed')
  await host.write({ 'app/data/rows': 'of the second\n' })
  const env = { PATH: '/usr/bin:/bin', HOME: '/' }
  await promisify(execFile)(join(stateOf(host), 'rollback'), ['previous'], { ...(host.owner ?? {}), env, cwd: '/' })
  expect(await liveTree(host)).toEqual({ v: '1\n', 'data/rows': 'of the second\n' })
  expect((await backups(host)).filter((name) => name.endsWith(`-to-${first}.tar.gz`))).toHaveLength(1)
  await host.write({ 'app/data/rows': 'of the first, later\n' })
  const to = { to: second.outputs['release'] as string, rollback: 'data' }
  const back = { ...inputsFor(host, { path: undefined, strategy: undefined, activate: undefined }), mode: 'rollback' }
  expectResult(await runAction({ inputs: { ...back, ...to }, skipPost: true }), 'deployed')
  expect(await liveTree(host)).toEqual({ v: '2\n', 'data/rows': 'of the second\n' })
})

it.skipIf(!sqlite)('a file of SQLite comes back', async () => {
  await using host = await startHost()
  const file = join(host.home, 'app/data/app.db')
  const ask = async (text: string) => (await promisify(execFile)('sqlite3', [file, text])).stdout.trim()
  await host.write({ 'app/data/x': '' })
  await ask('PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)')
  await promisify(execFile)('chown', ['-R', 'nobody', join(host.home, 'app/data')]).catch(() => {})
  const inputs = { backup: 'sqlite: data/app.db', protect: 'data', rollback: 'data' }
  expectResult(await deploy(host, { inputs, source: { v: '1' } }), 'deployed')
  const worse = { ...inputs, migrate: 'sqlite3 data/app.db "DROP TABLE t; CREATE TABLE other(y)"', activate: 'exit 1' }
  expectResult(await deploy(host, { inputs: worse, source: { v: '2' } }), 'rolled-back')
  expect(await ask('SELECT x FROM t')).toBe('1')
  expect(await readFile(join(host.home, 'app/v'), 'utf8')).toBe('1')
})
