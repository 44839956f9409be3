import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { runAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, expectError, expectResult, expectUntouched, inputsFor, liveTree } from '../helpers/story.ts'
import { commitTree, git, writeTree } from '../helpers/tree.ts'

/** git must be on the runner for these; on the host it is, when it is here. */
const story = (name: string, test: () => Promise<void>) =>
  it.concurrent(name, async ({ skip }) => {
    try {
      execFileSync('git', ['--version'], { stdio: 'ignore' })
    } catch {
      skip('git is not installed')
    }
    await test()
  })

describe('sync: git', () => {
  story('sends the commit that was asked for, whatever lies in the checkout', async () => {
    await using host = await startHost()
    await using repo = await scratch('repo')
    const sha = await commitTree(repo.path, { a: 'one\n', 'sub/b': 'x' })
    await commitTree(repo.path, { a: 'two\n' })
    await writeTree(repo.path, { a: 'dirty\n', untracked: 'y' })
    const result = await runAction({ inputs: inputsFor(host, { sync: 'git' }), workspace: repo.path, sha })
    expectResult(result, 'deployed')
    expect(result.outputs['revision']).toBe(sha)
    expect(await liveTree(host)).toEqual({ a: 'one\n', 'sub/b': 'x' })
  })

  story('works from the shallow clone that actions/checkout makes, and again from the next one', async () => {
    await using host = await startHost()
    await using repo = await scratch('repo')
    for (const text of ['1', '2', '3']) await commitTree(repo.path, { a: text }, text)
    for (const text of ['4', '5']) {
      const sha = await commitTree(repo.path, { a: text, [`f${text}`]: text })
      await using clone = await scratch('clone')
      execFileSync('git', ['clone', '-q', '--depth=1', `file://${repo.path}`, join(clone.path, 'c')], {
        stdio: 'ignore',
      })
      const result = await runAction({
        inputs: inputsFor(host, { sync: 'git' }),
        workspace: join(clone.path, 'c'),
        sha,
      })
      expectResult(result, 'deployed')
    }
    expect(await liveTree(host)).toEqual({ a: '5', f4: '4', f5: '5' })
  })

  story('takes a folder of the repository as the source', async () => {
    await using host = await startHost()
    await using repo = await scratch('repo')
    const sha = await commitTree(repo.path, { 'site dir/index.html': 'x', other: 'y' })
    const inputs = inputsFor(host, { sync: 'git', source: 'site dir' })
    expectResult(await runAction({ inputs, workspace: repo.path, sha }), 'deployed')
    expect(await liveTree(host)).toEqual({ 'index.html': 'x' })
  })

  story('names a submodule and Git LFS content as what it cannot send', async () => {
    await using host = await startHost()
    await using repo = await scratch('repo')
    await commitTree(repo.path, { a: '1' })
    const inner = await git(repo.path, 'rev-parse', 'HEAD')
    await git(repo.path, 'update-index', '--add', '--cacheinfo', `160000,${inner},vendor/lib`)
    await git(repo.path, 'commit', '-q', '-m', 'submodule')
    const withModule = await git(repo.path, 'rev-parse', 'HEAD')
    const inputs = inputsFor(host, { sync: 'git' })
    expectError(
      await runAction({ inputs, workspace: repo.path, sha: withModule }),
      'HD-SYNC-08',
      'the submodules vendor/lib',
      'submodules: recursive',
    )
    await git(repo.path, 'rm', '-q', '--cached', 'vendor/lib')
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n'
    const withLfs = await commitTree(repo.path, { 'model.bin': pointer })
    expectError(
      await runAction({ inputs, workspace: repo.path, sha: withLfs }),
      'HD-SYNC-08',
      'the Git LFS content of model.bin',
      'lfs: true',
    )
    await expectUntouched(host)
  })

  story('says what is wrong where there is no checkout, or not this commit', async () => {
    await using host = await startHost()
    expectError(await deploy(host, { inputs: { sync: 'git' } }), 'HD-SYNC-06', 'not a git checkout', 'actions/checkout')
    await using repo = await scratch('repo')
    await commitTree(repo.path, { a: '1' })
    const result = await runAction({
      inputs: inputsFor(host, { sync: 'git' }),
      workspace: repo.path,
      sha: 'f'.repeat(40),
    })
    expectError(result, 'HD-SYNC-06', `The commit ${'f'.repeat(40)} is not in the checkout`, 'fetch-depth: 0')
    await expectUntouched(host)
  })

  story('uses what a clone at the path has, and leaves that clone alone', async () => {
    await using host = await startHost()
    await using repo = await scratch('repo')
    const sha = await commitTree(repo.path, { a: 'one\n' })
    execFileSync('git', ['clone', '-q', `file://${repo.path}`, join(host.home, 'app')], { stdio: 'ignore' })
    if (host.owner) execFileSync('chown', ['-R', `${host.owner.uid}:${host.owner.gid}`, join(host.home, 'app')])
    expectResult(await runAction({ inputs: inputsFor(host, { sync: 'git' }), workspace: repo.path, sha }), 'deployed')
    expect(existsSync(join(host.home, 'app/.git/HEAD'))).toBe(true)
  })
})
