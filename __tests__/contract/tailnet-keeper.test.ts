import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { leaveTailnet } from '../../src/tailnet/leave.ts'
import { type Scratch, scratch } from '../helpers/scratch.ts'

/** Stand-ins of the two programs that write down what is asked of them; the keeper, its shell and the signals are real. */
const tailscaled = `import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
const word = (name) => process.argv.find((each) => each.startsWith(name)).slice(name.length)
const note = (text) => appendFileSync(NOTES, text + '\\n')
createServer((_, response) => response.end('{"BackendState":"NeedsLogin"}')).listen(word('--socket='))
note(['started', ...['INPUT_SECRET', 'RUNNER_TRACKING_ID'].filter((name) => process.env[name])].join(' '))
process.on('SIGTERM', () => { note('ended'); if (!STUBBORN) process.exit(0) })
`
const tailscale = `import { appendFileSync } from 'node:fs'
appendFileSync(NOTES, process.argv.slice(2).filter((word) => !word.startsWith('--socket')).join(' ') + '\\n')
`
/** Main, until it is killed. */
const main = (programs: string) => `import { Daemon } from '${join(import.meta.dirname, '../../src/tailnet/daemon.ts')}'
const log = { info() {}, warning() {}, output() {}, mask() {} }
const daemon = await Daemon.start({ folder: '${programs}' }, { log, signal: undefined, beside: false, uploadLogs: true,
  remember: (folder) => console.log(folder) })
process.on('SIGUSR1', async () => { await daemon[Symbol.asyncDispose](); process.exit(0) })
console.log('up')
setInterval(() => {}, 1000)
`

let folder: Scratch
const mains: ChildProcess[] = []
beforeEach(async () => {
  folder = await scratch('keeper')
})
afterEach(async () => {
  for (const child of mains.splice(0)) child.kill('SIGKILL')
  await folder[Symbol.asyncDispose]()
})

const notes = async () => (await readFile(join(folder.path, 'notes'), 'utf8').catch(() => '')).trim().split('\n')

/** Starts main; gives its process and the folder of its daemon, once that is up. */
async function start(stubborn = false) {
  const program = async (name: string, text: string) => {
    const code = text
      .replaceAll('NOTES', JSON.stringify(join(folder.path, 'notes')))
      .replaceAll('STUBBORN', `${stubborn}`)
    await writeFile(join(folder.path, `${name}.mjs`), code)
    await writeFile(join(folder.path, name), `#!/bin/sh\nexec ${process.execPath} ${folder.path}/${name}.mjs "$@"\n`)
    await chmod(join(folder.path, name), 0o755)
  }
  await program('tailscaled', tailscaled)
  await program('tailscale', tailscale)
  await writeFile(join(folder.path, 'main.ts'), main(folder.path))
  const child = spawn(process.execPath, [join(folder.path, 'main.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, INPUT_SECRET: 'x', RUNNER_TRACKING_ID: 'y' },
  })
  mains.push(child)
  let said = ''
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk
      if (said.includes('up')) resolve()
    })
  })
  return { child, daemon: said.split('\n')[0] ?? '' }
}

test('main leaves by closing the pipe: logged out, ended, nothing left', async () => {
  const { child, daemon } = await start()
  child.kill('SIGUSR1')
  await new Promise((resolve) => child.once('exit', resolve))
  expect(await notes()).toEqual(['started', 'logout', 'ended'])
  expect(existsSync(daemon)).toBe(false)
})

test('the keeper does the same when main is killed', async () => {
  const { child, daemon } = await start()
  child.kill('SIGKILL')
  await expect.poll(() => existsSync(daemon), { timeout: 20_000 }).toBe(false)
  expect(await notes()).toEqual(['started', 'logout', 'ended'])
  expect(await leaveTailnet(daemon)).toBe('nothing to leave')
})

test('post tells the keeper of a main that is still there', async () => {
  const { daemon } = await start()
  expect(await leaveTailnet(daemon)).toBe('left')
  expect(await notes()).toEqual(['started', 'logout', 'ended'])
})

test('post does without a keeper that was killed as well', async () => {
  const { child, daemon } = await start()
  const keeper = Number((await readFile(join(daemon, 'pids'), 'utf8')).split(' ')[1])
  process.kill(keeper, 'SIGKILL')
  child.kill('SIGKILL')
  expect(await leaveTailnet(daemon)).toBe('left')
  expect(await notes()).toEqual(['started', 'ended'])
  expect(existsSync(daemon)).toBe(false)
})

test('a daemon that will not end is killed', async () => {
  const { child, daemon } = await start(true)
  child.kill('SIGKILL')
  await expect.poll(() => existsSync(daemon), { timeout: 25_000 }).toBe(false)
  expect(await notes()).toEqual(['started', 'logout', 'ended'])
})

test('only what was made for us is ever ended or removed', async () => {
  expect(await leaveTailnet(folder.path)).toBe('nothing to leave')
  expect(existsSync(folder.path)).toBe(true)
})
