import { existsSync, statSync } from 'node:fs'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { runAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
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
import { commitTree, readTree, type Tree, writeTree } from '../helpers/tree.ts'

const first: Tree = {
  'index.html': 'one\n',
  'bin/run': { text: '#!/bin/sh\n', mode: 0o755 },
  link: { symlink: 'bin/run' },
  dangling: { symlink: '../no where' },
  'sp ace/quo\'te "x"': 'a',
  '$(id)': 'b',
  '-dash': 'c',
  'ünï/😀': 'd',
  'line\nbreak': 'e',
  'back\\slash': 'f',
  'binary.bin': { base64: Buffer.from([0, 255, 254, 10, 13]).toString('base64') },
  'gone/deep/file': 'g',
  'was-file': 'h',
  'was-dir/x': 'i',
  empty: '',
}
const { 'gone/deep/file': _gone, 'was-file': _file, 'was-dir/x': _dir, ...rest } = first
const second: Tree = {
  ...rest,
  'index.html': 'two\n',
  'bin/run': { text: '#!/bin/sh\n', mode: 0o644 + 0o111 },
  link: { symlink: 'index.html' },
  'was-file/now-dir': 'j',
  'was-dir': 'k',
  'new/folder/file': 'l',
}

describe.each(['tar', 'rsync', 'git', 'auto'])('sync: %s', (sync) => {
  const tool = sync === 'rsync' || sync === 'git' ? sync : 'tar'

  it.concurrent('makes exactly the tree, twice, then nothing is sent, then it goes back', async ({ skip }) => {
    if (!onPath(tool)) skip(`${tool} is not installed`)
    await using host = await startHost()
    await using workspace = await scratch('workspace')
    const inputs = inputsFor(host, { sync })
    let sha = ''
    const run = async (tree: Tree | 'the same', more: Record<string, string> = {}) => {
      if (tree !== 'the same') sha = await commit(tree)
      return await runAction({ inputs: { ...inputs, ...more }, workspace: workspace.path, sha })
    }
    const commit = async (tree: Tree) => {
      for (const name of Object.keys(await readTree(workspace.path, ['.git'])))
        await rm(join(workspace.path, name.split('/')[0] as string), { recursive: true, force: true })
      return await commitTree(workspace.path, tree)
    }

    expectResult(await run(first), 'deployed')
    expect(await liveTree(host)).toEqual(first)
    const sent = await run(second)
    expectResult(sent, 'deployed')
    expect(await liveTree(host)).toEqual(second)
    expect(sent.outputs['changed']).toBe('true')

    const before = host.commands.length
    const again = await run('the same')
    expectResult(again, 'unchanged')
    expect(again.outputs).toMatchObject({ changed: 'false', release: sent.outputs['release'] })
    expect(again.maskedLog).toContain('nothing to send')
    // A receiver may have been started in good hope: it got nothing.
    const receivers = host.commands.slice(before).filter(({ command }) => /rsync|receive-pack|tar -x/.test(command))
    for (const { stdin } of receivers) expect(stdin.length).toBeLessThan(200)

    expectResult(await run({ ...second, broken: 'x' }, { activate: 'exit 1' }), 'rolled-back')
    expect(await liveTree(host)).toEqual(second)
    expect((await ledger(host)).map(({ result }) => result)).toEqual([
      'deployed',
      'deployed',
      'unchanged',
      'rolled-back',
    ])
    await expectSettled(host)
  })
})

describe('what is on the host already', () => {
  it.concurrent('is removed when it is not in the source, protected when it is named, invisible when excluded', async () => {
    await using host = await startHost()
    const mine: Tree = {
      '.env': 'SECRET=1\n',
      '.env.local': 'mine\n',
      '.venv/bin/python': 'python',
      'data/db.sqlite': 'rows',
      'uploads/a/b.png': 'png',
      'logs/today.log': 'log',
    }
    await host.write(
      Object.fromEntries(
        Object.entries({ ...mine, 'stale/file': 'x', old: 'y' }).map(([name, text]) => [`app/${name}`, text]),
      ),
    )
    const result = await deploy(host, {
      source: {
        a: '1',
        'data/seed': 'not wanted',
        'logs/runner.log': 'not sent',
        '.env': 'not wanted either',
        'node_modules/x': 'n',
      },
      inputs: { protect: 'data\nuploads/*', exclude: 'logs\nnode_modules' },
    })
    expectResult(result, 'deployed')
    const { 'data/seed': seed, ...rest } = await liveTree(host)
    expect({ a: '1', ...mine }).toEqual(rest)
    expect(seed).toBe('not wanted')
    const report = result.summary
    expect(report).toContain('- old')
    expect(report).not.toContain('db.sqlite')
  })

  it.concurrent('is not deleted beyond delete-limit without consent', async () => {
    await using host = await startHost()
    const files = Object.fromEntries(Array.from({ length: 6 }, (_, n) => [`app/f${n}`, 'x']))
    await host.write(files)
    const result = await deploy(host, { inputs: { 'delete-limit': '5' } })
    expectError(result, 'HD-SYNC-01', 'would delete 6 files', '`delete-limit` is 5', 'delete-limit: 6', /f\d, f\d/)
    expect(Object.keys(await liveTree(host))).toHaveLength(6)
    expect(existsSync(join(stateOf(host), 'releases'))).toBe(true)
    expect(await readTree(join(stateOf(host), 'releases'))).toEqual({})
    await expectSettled(host)
    expectResult(await deploy(host, { inputs: { 'delete-limit': '6' } }), 'deployed')
    expect(await liveTree(host)).toEqual({ 'index.html': 'one\n' })
  })

  it.concurrent('is named when somebody edited it since the last deploy', async () => {
    await using host = await startHost()
    expectResult(await deploy(host, { source: { a: 'one\n', b: 'two\n' } }), 'deployed')
    await writeTree(join(host.home, 'app'), { b: 'edited by hand\n' })
    const result = await deploy(host, { source: { a: 'one\n', b: 'two\n' } })
    expectResult(result, 'deployed')
    expect(result.warnings.map(({ message }) => message)).toEqual([expect.stringMatching(/Edited on deploy@.*: b$/)])
    expect(await liveTree(host)).toEqual({ a: 'one\n', b: 'two\n' })
  })
})

it.concurrent('modes of files and folders arrive, empty folders too', async () => {
  await using host = await startHost()
  await using workspace = await scratch('workspace')
  await writeTree(workspace.path, {
    'secret.key': { text: 's', mode: 0o600 },
    'run.sh': { text: 'r', mode: 0o750 },
    'open/x': 'o',
  })
  for (const [name, mode] of [
    ['empty', 0o755],
    ['closed', 0o700],
    ['open', 0o775],
  ] as const) {
    await mkdir(join(workspace.path, name), { recursive: true })
    await chmod(join(workspace.path, name), mode)
  }
  expectResult(await deploy(host, { workspace: workspace.path }), 'deployed')
  const mode = (name: string) => (statSync(join(host.home, 'app', name)).mode & 0o777).toString(8)
  expect(
    Object.fromEntries(['.', 'secret.key', 'run.sh', 'empty', 'closed', 'open'].map((name) => [name, mode(name)])),
  ).toEqual({
    '.': '755',
    'secret.key': '600',
    'run.sh': '750',
    empty: '755',
    closed: '700',
    open: '775',
  })
  await chmod(join(workspace.path, 'run.sh'), 0o755)
  await rm(join(workspace.path, 'empty'), { recursive: true })
  expectResult(await deploy(host, { workspace: workspace.path }), 'deployed')
  expect(mode('run.sh')).toBe('755')
  expect(existsSync(join(host.home, 'app/empty'))).toBe(false)
})

it.concurrent('a name that is no UTF-8 is an error before the host is touched', async () => {
  await using host = await startHost()
  await using workspace = await scratch('workspace')
  const { writeFile } = await import('node:fs/promises')
  await writeFile(Buffer.concat([Buffer.from(`${workspace.path}/caf`), Buffer.from([0xe9])]), 'x')
  expectError(await deploy(host, { workspace: workspace.path }), 'HD-SYNC-07', 'is not valid UTF-8', '`exclude`')
  expect(existsSync(stateOf(host))).toBe(false)
})

it.concurrent('sync: none sends nothing and runs what is there', async () => {
  await using host = await startHost()
  await host.write({ 'app/mine': 'x' })
  expectResult(await deploy(host, { inputs: { sync: 'none', activate: 'cat mine >copy' } }), 'deployed')
  expect(await liveTree(host)).toEqual({ mine: 'x', copy: 'x' })
})

function onPath(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, tool)))
}
