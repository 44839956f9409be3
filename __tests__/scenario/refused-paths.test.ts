import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import {
  deploy,
  expectError,
  expectResult,
  expectSettled,
  expectUntouched,
  liveTree,
  stateOf,
} from '../helpers/story.ts'
import { readTree } from '../helpers/tree.ts'

it.concurrent('a source that is not there is told before the host is touched', async () => {
  await using host = await startHost()
  expectError(await deploy(host, { inputs: { source: 'dsit' } }), 'HD-SYNC-06', 'dsit', 'ENOENT')
  await expectUntouched(host)
})

describe('a path', () => {
  it.concurrent('that is a file', async () => {
    await using host = await startHost()
    await host.write({ app: 'precious\n' })
    expectError(await deploy(host), 'HD-PATH-03', `${host.home}/app is not a directory`, 'Choose another `path`')
    await expectUntouched(host, { app: 'precious\n' })
  })

  it.concurrent('that is a link to nowhere', async () => {
    await using host = await startHost()
    await host.write({ app: { symlink: 'gone' } })
    expectError(await deploy(host), 'HD-PATH-03', 'broken link')
    await expectUntouched(host, { app: { symlink: 'gone' } })
  })

  it.concurrent('where the user may not write', async ({ skip }) => {
    await using host = await startHost()
    if (process.getuid?.() === 0) {
      mkdirSync(join(host.home, 'theirs'), { mode: 0o755 })
    } else {
      mkdirSync(join(host.home, 'theirs'))
      chmodSync(join(host.home, 'theirs'), 0o555)
    }
    const result = await deploy(host, { inputs: { path: '~/theirs/app' } })
    if (result.outputs['result'] === 'deployed') skip('the user of this machine may use sudo without a password')
    const message = expectError(result, 'HD-PATH-04', `may not write at ${host.home}/theirs`, 'does not exist yet')
    expect(message).toMatch(/sudo install -d -o \S+ \/\S+\/theirs\/app/)
    await expectUntouched(host, { 'theirs/': '' })
  })

  it.concurrent('whose files belong to somebody else', async ({ skip }) => {
    if (process.getuid?.() !== 0) skip('giving files to another user needs root')
    await using host = await startHost()
    await host.write({ 'app/index.html': 'old\n' })
    chownSync(join(host.home, 'app/index.html'), 12_345, 12_345)
    const result = await deploy(host)
    expectError(result, 'HD-SYNC-03', 'belong to another user', 'index.html', `sudo chown -R deploy ${host.home}/app`)
    expect(await liveTree(host)).toEqual({ 'index.html': 'old\n' })
  })
})

describe('a full disk', () => {
  it.concurrent('is seen before anything is sent', async ({ skip }) => {
    await using host = await startHost()
    using disk = await smallDisk(host.home, host.owner?.uid ?? 0)
    if (disk === undefined) return skip('mounting a small disk needs root')
    const result = await deploy(host, { inputs: { path: '~/disk/app' }, source: { big: 'x'.repeat(900_000) } })
    expectError(result, 'HD-DISK-01', 'has not enough space', /inodes free/, 'Free some space')
    const seen = await deploy(host, {
      inputs: { mode: 'plan', path: '~/disk/app' },
      source: { big: 'x'.repeat(900_000) },
    })
    expectError(
      seen,
      'HD-DISK-01',
      'has not enough space',
      /needs 17\d\d KiB: 8\d\d KiB in 1 new entries.* 10\d\d KiB and \d+ inodes free/,
    )
    expect(await readTree(join(host.home, 'disk'))).toEqual({})
    await expectSettled(host)
  })

  it.concurrent('in the middle of a deploy leaves what runs alone, and the next deploy works', async ({ skip }) => {
    const state = '.local/state'
    await using host = await startHost()
    await mkdir(join(host.home, state), { recursive: true })
    if (host.owner)
      for (const each of ['.local', state]) chownSync(join(host.home, each), host.owner.uid, host.owner.gid)
    using disk = await smallDisk(host.home, host.owner?.uid ?? 0, `${state}/homelab-deploy`)
    if (disk === undefined) return skip('mounting a small disk needs root')
    expectResult(await deploy(host, { source: { 'index.html': 'one\n' } }), 'deployed')
    const filler = join(stateOf(host), '..', 'filler')
    const result = await deploy(host, {
      inputs: { before: `cat /dev/zero >${filler} 2>/dev/null || :` },
      source: { 'index.html': 'two\n', big: 'x'.repeat(300_000) },
    })
    expectError(result, 'HD-DISK-01', 'is full', 'What runs was not touched')
    expect(await liveTree(host)).toEqual({ 'index.html': 'one\n' })
    execFileSync('rm', [filler])
    expectResult(await deploy(host, { source: { 'index.html': 'three\n' } }), 'deployed')
    expect(await liveTree(host)).toEqual({ 'index.html': 'three\n' })
    await expectSettled(host)
  })

  async function smallDisk(home: string, uid: number, name = 'disk'): Promise<Disposable | undefined> {
    if (process.getuid?.() !== 0) return undefined
    const folder = join(home, name)
    await mkdir(folder, { recursive: true })
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=1m,mode=700,uid=${uid},gid=${uid}`, 'none', folder], {
        stdio: 'pipe',
      })
    } catch {
      return undefined
    }
    return { [Symbol.dispose]: () => void execFileSync('umount', ['-l', folder]) }
  }
})
