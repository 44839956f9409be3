import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { type RunOptions, runAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { expectError, expectResult, expectSettled, inputsFor, ledger, liveTree } from '../helpers/story.ts'
import { commitTree, git } from '../helpers/tree.ts'

/** Three commits in a row, and one that left the row after the first. */
async function history() {
  const repo = await scratch('repo')
  const row = [] as string[]
  for (const v of ['1', '2', '3']) row.push(await commitTree(repo.path, { v }))
  await git(repo.path, 'checkout', '-q', '-b', 'aside', row[0] as string)
  const aside = await commitTree(repo.path, { v: 'aside' })
  const [one = '', two = '', three = ''] = row
  return { ...repo, one, two, three, aside, [Symbol.asyncDispose]: () => repo[Symbol.asyncDispose]() }
}

const deploy = async (
  host: EmbeddedHost,
  repo: string,
  sha: string,
  inputs: Record<string, string> = {},
  more: RunOptions = {},
) => {
  execFileSync('git', ['-c', 'safe.directory=*', '-C', repo, 'checkout', '-q', '--detach', sha], { stdio: 'ignore' })
  return await runAction({ ...more, inputs: inputsFor(host, inputs), workspace: repo, sha, skipPost: true })
}

/** What actions/checkout gives when nobody tells it how deep. */
async function shallow(from: string, sha: string) {
  const clone = await scratch('clone')
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'safe.directory=*', '-C', clone.path, ...args], { stdio: 'ignore' })
  git('init', '-q')
  git('-c', 'protocol.file.allow=always', 'fetch', '-q', '--depth=1', `file://${from}`, sha)
  git('checkout', '-q', '--detach', sha)
  return clone
}

it.concurrent('a commit that does not descend from the one that runs is refused before anything changes', async () => {
  await using host = await startHost()
  await using repo = await history()
  expectResult(await deploy(host, repo.path, repo.two, { before: 'echo x >>"$HOME/before"' }), 'deployed')
  const before = await readFile(join(host.home, 'before'), 'utf8')
  const older = await deploy(host, repo.path, repo.one, { before: 'echo x >>"$HOME/before"' }, { runAttempt: '2' })
  expectError(older, 'HD-REV-01', repo.one.slice(0, 12), 'one of its ancestors', 'attempt 2', '`allow-downgrade: true`')
  expectError(await deploy(host, repo.path, repo.aside), 'HD-REV-01', 'what it brought would be lost')
  expect(await readFile(join(host.home, 'before'), 'utf8')).toBe(before)
  expect(await liveTree(host)).toEqual({ v: '2' })
  await expectSettled(host)
  expect((await ledger(host)).map(({ result, code }) => [result, code])).toEqual([
    ['deployed', ''],
    ['failed', 'HD-REV-01'],
    ['failed', 'HD-REV-01'],
  ])
  expectResult(await deploy(host, repo.path, repo.three), 'deployed')
  expectResult(await deploy(host, repo.path, repo.aside, { 'allow-downgrade': 'true' }), 'deployed')
  expect(await liveTree(host)).toEqual({ v: 'aside' })
  expect((await deploy(host, repo.path, repo.aside)).warnings).toEqual([])
})

it.concurrent('a whole clone without the running commit says so: the history was rewritten', async () => {
  await using host = await startHost()
  await using old = await history()
  await using repo = await history()
  expectResult(await deploy(host, old.path, old.two), 'deployed')
  const rewritten = await commitTree(repo.path, { v: 'rewritten', other: 'x' }, 'another')
  await git(old.path, 'checkout', '-q', '-b', 'gone', old.one)
  const lost = await commitTree(old.path, { v: 'lost' }, 'lost')
  expectResult(await deploy(host, old.path, lost, { 'allow-downgrade': 'true' }), 'deployed')
  expectError(await deploy(host, repo.path, rewritten), 'HD-REV-01', 'is not in the history')
})

it.concurrent('a shallow clone cannot tell, and says what would help; the host knows what it had before', async () => {
  await using host = await startHost()
  await using repo = await history()
  await using one = await shallow(repo.path, repo.one)
  await using two = await shallow(repo.path, repo.two)
  expectResult(await deploy(host, one.path, repo.one), 'deployed')
  const second = await deploy(host, two.path, repo.two)
  expectResult(second, 'deployed')
  expect(second.warnings.map(({ message }) => message)).toEqual([expect.stringContaining('`fetch-depth: 0`')])
  expectError(await deploy(host, one.path, repo.one), 'HD-REV-01', 'ran before it')
  expect(await liveTree(host)).toEqual({ v: '2' })
  // A rollback is exempt, and after one the newer commit is no step back.
  const back = { ...inputsFor(host, { path: undefined, strategy: undefined, activate: undefined }), mode: 'rollback' }
  expectResult(await runAction({ inputs: back, sha: repo.one, skipPost: true }), 'deployed')
  expect(await liveTree(host)).toEqual({ v: '1' })
  expectResult(await deploy(host, two.path, repo.two), 'deployed')
})

it.concurrent('a shallow clone that a runner kept does not take a lost path for a step back', async () => {
  await using host = await startHost()
  await using repo = await history()
  await using kept = await shallow(repo.path, repo.one)
  expectResult(await deploy(host, kept.path, repo.one), 'deployed')
  execFileSync('git', [
    ...['-c', 'safe.directory=*', '-C', kept.path, 'fetch', '-q', '--depth=1', `file://${repo.path}`, repo.three],
  ])
  const next = await deploy(host, kept.path, repo.three)
  expectResult(next, 'deployed')
  expect(next.warnings).toHaveLength(1)
})

it.concurrent('without a repository, or in that of something else, nobody is asked and nothing said', async () => {
  await using host = await startHost()
  await using repo = await history()
  await using plain = await scratch('plain')
  execFileSync('cp', [join(repo.path, 'v'), plain.path])
  for (const [workspace, sha] of [
    [plain.path, 'a'.repeat(40)],
    [plain.path, 'b'.repeat(40)],
    [repo.path, 'c'.repeat(40)],
  ] as const) {
    const result = await runAction({
      inputs: inputsFor(host, { force: 'true' }),
      workspace,
      sha,
      skipPost: true,
    })
    expectResult(result, 'deployed')
    expect(result.warnings).toEqual([])
  }
})
