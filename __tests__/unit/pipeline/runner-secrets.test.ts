import { execFileSync } from 'node:child_process'
import { readFile, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { removeSecretFiles, type Written, writeSecretFiles } from '../../../src/pipeline/runner-secrets.ts'
import { Secret } from '../../../src/secret.ts'
import { type Scratch, scratch } from '../../helpers/scratch.ts'
import { readTree, writeTree } from '../../helpers/tree.ts'

let source: Scratch
let remembered: Written | undefined
beforeEach(async () => {
  source = await scratch('hive')
  remembered = undefined
})
afterEach(async () => await source[Symbol.asyncDispose]())

const file = (path: string, text = 'secret') => ({ path, base64: new Secret(Buffer.from(text).toString('base64')) })
const write = (...paths: string[]) =>
  writeSecretFiles(
    source.path,
    paths.map((path) => file(path)),
    (written) => {
      remembered = structuredClone(written)
    },
  )
const names = async () => Object.keys(await readTree(source.path))

it('are there with mode 600, and gone again with the folders that were made for them', async () => {
  await writeTree(source.path, { 'flake.nix': '{}' })
  const written = await write('.env.production', 'tls/a/key.pem', 'tls/cert.pem')
  expect(await readFile(join(source.path, 'tls/a/key.pem'), 'utf8')).toBe('secret')
  expect((await stat(join(source.path, '.env.production'))).mode & 0o777).toBe(0o600)
  expect(remembered).toEqual(written)
  await removeSecretFiles(written)
  expect(await names()).toEqual(['flake.nix'])
  // Main and post may both do so.
  await removeSecretFiles(written)
})

it('leave alone what somebody else has put beside them', async () => {
  const written = await write('tls/key.pem')
  await writeTree(source.path, { 'tls/other': 'mine' })
  await removeSecretFiles(written)
  expect((await names()).filter((name) => !name.endsWith('/'))).toEqual(['tls/other'])
})

it('do not overwrite a file, and when one is refused none is left', async () => {
  await writeTree(source.path, { b: 'theirs' })
  await expect(write('a', 'b')).rejects.toMatchObject({
    code: 'HD-HIVE-05',
    message: expect.stringContaining('a file b'),
  })
  expect(await names()).toEqual(['b'])
  expect(await readFile(join(source.path, 'b'), 'utf8')).toBe('theirs')
})

it('never lie where a link leads out of the source', async () => {
  await using elsewhere = await scratch('elsewhere')
  await symlink(elsewhere.path, join(source.path, 'tls'))
  await expect(write('tls/key.pem')).rejects.toMatchObject({ code: 'HD-HIVE-05' })
  expect(Object.keys(await readTree(elsewhere.path))).toEqual([])
})

it('are never files that git tracks, for those enter the store', async () => {
  const git = (...words: string[]) => execFileSync('git', ['-C', source.path, ...words])
  git('init', '-q')
  await writeTree(source.path, { 'secret.env': 'example' })
  git('add', 'secret.env')
  execFileSync('rm', [join(source.path, 'secret.env')])
  await expect(write('secret.env')).rejects.toMatchObject({
    code: 'HD-HIVE-05',
    message: expect.stringContaining('git tracks'),
  })
  await removeSecretFiles(await write('other.env'))
})
