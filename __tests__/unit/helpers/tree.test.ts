import { join } from 'node:path'
import { expect, test } from 'vitest'
import { scratch } from '../../helpers/scratch.ts'
import { commitTree, git, readTree, type Tree, writeTree } from '../../helpers/tree.ts'

test('a tree comes back as it was written', async () => {
  const tree: Tree = {
    'a.txt': 'text',
    'bin/run': { mode: 0o755, text: '#!/bin/sh\n' },
    bytes: { base64: '/wD+' },
    'empty/': '',
    link: { symlink: 'a.txt' },
    'odd name\n': 'ü',
  }
  await using folder = await scratch('tree')
  await writeTree(join(folder.path, 'deep/er'), tree)
  expect(await readTree(join(folder.path, 'deep/er'))).toEqual(tree)
})

test('the same tree is the same commit, and a change is another', async () => {
  await using one = await scratch('git')
  await using two = await scratch('git')
  const sha = await commitTree(one.path, { 'a.txt': '1' })
  expect(sha).toMatch(/^[0-9a-f]{40}$/)
  expect(await commitTree(two.path, { 'a.txt': '1' })).toBe(sha)
  const next = await commitTree(one.path, { 'b.txt': '2' })
  expect(await git(one.path, 'rev-parse', 'HEAD^')).toBe(sha)
  expect(next).not.toBe(sha)
  expect(await readTree(one.path, ['.git'])).toEqual({ 'a.txt': '1', 'b.txt': '2' })
})
