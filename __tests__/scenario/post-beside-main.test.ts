import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, eventually, expectResult, expectSettled, inputsFor, liveTree } from '../helpers/story.ts'
import { writeTree } from '../helpers/tree.ts'
import { parseFileCommands } from '../helpers/workflow-commands.ts'

// So it is when a job in a container is cancelled at Gitea or Forgejo: nobody tells main, and post begins at once.
test('a post that runs while main still waits takes the deploy back, and main says no other word', async () => {
  await using host = await startHost()
  expectResult(await deploy(host), 'deployed')
  await using runner = await scratch('runner')
  await writeTree(runner.path, { 'work/index.html': 'two\n', state: '', output: '', summary: '', 'temp/': '' })
  const inputs = Object.entries(inputsFor(host, { activate: 'echo begun; sleep 600' }))
  const env = {
    ...Object.fromEntries(inputs.map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
    PATH: process.env.PATH,
    HOME: runner.path,
    GITHUB_REPOSITORY: 'acme/shop',
    GITHUB_WORKSPACE: join(runner.path, 'work'),
    RUNNER_TEMP: join(runner.path, 'temp'),
    GITHUB_STATE: join(runner.path, 'state'),
    GITHUB_OUTPUT: join(runner.path, 'output'),
    GITHUB_STEP_SUMMARY: join(runner.path, 'summary'),
  }
  const start = (state: Record<string, string> = {}) =>
    spawn(process.execPath, [resolve('dist/index.js')], {
      env: { ...env, ...state },
      stdio: ['ignore', 'pipe', 'pipe'],
    })

  const main = start()
  let log = ''
  main.stdout.on('data', (chunk) => (log += chunk))
  const ended = once(main, 'close')
  await eventually(() => expect(log).toContain('begun'), 30_000)
  const state = parseFileCommands(await readFile(env.GITHUB_STATE, 'utf8'))
  const post = start(Object.fromEntries(Object.entries(state).map(([name, value]) => [`STATE_${name}`, value])))
  const said = text(post.stdout)
  expect(await once(post, 'close')).toEqual([0, null])
  expect(await said).toContain('was rolled-back')
  expect(await liveTree(host)).toEqual({ 'index.html': 'one\n' })

  await ended
  expect(parseFileCommands(await readFile(env.GITHUB_OUTPUT, 'utf8'))).toMatchObject({ result: 'rolled-back' })
  await expectSettled(host)
})
