import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { fences } from '../helpers/documents.ts'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, expectResult, liveTree, stateOf } from '../helpers/story.ts'

// What the documents tell somebody to type at a host, typed there.
const shown = (page: string, word: string) =>
  fences('sh')
    .filter((fence) => fence.page === page && fence.text.includes(word))
    .map(({ text }) => text)

/** As the user that deploys, from the state directory, as after its `cd`. */
async function typed(host: EmbeddedHost, text: string): Promise<string> {
  const options = { ...host.owner, cwd: stateOf(host), env: { PATH: '/usr/bin:/bin', HOME: '/', SUDO_USER: 'bob' } }
  const here = text
    .replaceAll('/var/lib/homelab-deploy/shop', stateOf(host))
    .replaceAll('/srv/shop', join(host.home, 'app'))
  const { stdout, stderr } = await promisify(execFile)('sh', ['-ec', here], options)
  return stdout + stderr
}

it.concurrent('docs/rollback.md: the program at the console', async () => {
  await using host = await startHost()
  for (const [v, sha] of Object.entries({ one: '4f3c2a1', two: 'bbbbbbb', three: 'ccccccc' }))
    expectResult(await deploy(host, { source: { v }, sha: sha.padEnd(40, '0') }), 'deployed')
  const [goes = '', holds = ''] = shown('docs/rollback.md', './rollback')
  expect(await typed(host, goes)).toMatch(/runs now/)
  expect(await liveTree(host)).toEqual({ v: 'one' })
  const [hold = '', release = ''] = holds.trim().split('\n')
  await typed(host, hold)
  expect(existsSync(join(stateOf(host), 'maintenance'))).toBe(true)
  await typed(host, release)
  expect(existsSync(join(stateOf(host), 'maintenance'))).toBe(false)
})

it.concurrent('docs/data.md: a folder and a file of SQLite restored by hand', async ({ skip }) => {
  if (!existsSync('/usr/bin/sqlite3')) return skip('no sqlite3 here')
  await using host = await startHost()
  await host.write({ 'app/uploads/a': 'as it was', 'app/data/.keep': '' })
  await typedAt(host, 'sqlite3 app/data/app.db "CREATE TABLE t(x); INSERT INTO t VALUES (1)"')
  const inputs = { protect: 'uploads\ndata', backup: 'tar: uploads\nsqlite: data/app.db' }
  const { outputs } = await deploy(host, { inputs })
  expect(outputs).toMatchObject({ result: 'deployed' })
  await typedAt(host, 'echo lost >app/uploads/a; sqlite3 app/data/app.db "DELETE FROM t"')
  const backups = await readdir(join(stateOf(host), 'backups'))
  const [text = ''] = shown('docs/data.md', 'sqlite3')
  const lines = text.split('\n').filter((line) => /^(tar|sqlite3) /.test(line))
  for (const line of lines) {
    const real = line
      .replace(/tar-uploads-\w+/, backups.find((name) => name.startsWith('tar-')) ?? '')
      .replace(/sqlite-app\.db-\w+/, backups.find((name) => name.startsWith('sqlite-')) ?? '')
      .replace(/\d{8}-\d{6}-\w{7}/, outputs.release ?? '')
    await typed(host, `cd backups\n${real}`)
  }
  expect(await liveTree(host)).toMatchObject({ 'uploads/a': 'as it was' })
  expect(await typedAt(host, 'sqlite3 app/data/app.db "SELECT x FROM t"')).toBe('1\n')
})

it.concurrent('docs/setup.md: the key', async () => {
  await using folder = await scratch('key')
  const [text = ''] = shown('docs/setup.md', 'ssh-keygen')
  await promisify(execFile)('sh', ['-ec', text], { cwd: folder.path })
  expect((await readdir(folder.path)).toSorted()).toEqual(['deploy_key', 'deploy_key.pub'])
})

async function typedAt(host: EmbeddedHost, text: string): Promise<string> {
  return (await promisify(execFile)('sh', ['-ec', text], { ...host.owner, cwd: host.home })).stdout
}
