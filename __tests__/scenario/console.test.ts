import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
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

/** What somebody types at the console, logged in as the user that the action deploys as. */
async function typed(host: EmbeddedHost, ...args: string[]): Promise<string> {
  const as = host.owner ?? {}
  const env = { PATH: '/usr/bin:/bin', HOME: '/', SUDO_USER: 'bob' }
  const { stdout, stderr } = await promisify(execFile)(join(stateOf(host), 'rollback'), args, {
    ...as,
    env,
    cwd: '/',
  }).catch((error: { stdout: string; stderr: string }) => error)
  return stdout + stderr
}

it.concurrent('what the action deployed, a person at the console takes back, without it and without a network', async () => {
  await using host = await startHost()
  const story = (v: string) => ({
    source: { v: `${v}\n` },
    sha: v.repeat(40),
    inputs: {
      prepare: 'cp v "$HOME/prepared"',
      activate: 'cp v "$HOME/activated"; echo "$DEPLOY_PREVIOUS" >"$HOME/from"',
      'env-file': `TOKEN=the-token-of-${v}`,
      'health-stable': '0s',
      health: 'command: cat "$HOME/activated" => /./',
    },
  })
  const first = await deploy(host, story('a'))
  expectResult(first, 'deployed')
  const second = await deploy(host, story('b'))
  expectResult(second, 'deployed')
  host.refuse()
  const said = await typed(host, 'previous')
  await host.listen()
  expect(said).toContain(`${first.outputs['release']} runs now.`)
  expect(said).toContain('Look yourself:\n  command: cat "$HOME/activated" => /./')
  expect(said).not.toContain('the-token')
  expect(await liveTree(host)).toEqual({ v: 'a\n', '.env': { text: 'TOKEN=the-token-of-a\n', mode: 0o600 } })
  expect((await ledger(host)).at(-1)).toMatchObject({
    mode: 'rollback',
    result: 'deployed',
    code: '',
    release: first.outputs['release'],
    actor: 'bob',
    run: 'console',
    previous: second.outputs['release'],
    previousRevision: 'b'.repeat(40),
  })
  await expectSettled(host)

  // Each finds what the other did.
  const back = { ...inputsFor(host, { path: undefined, strategy: undefined, activate: undefined }), mode: 'rollback' }
  const to = { to: second.outputs['release'] as string }
  const forward = await runAction({ inputs: { ...back, ...to }, skipPost: true })
  expectResult(forward, 'deployed')
  expect(forward.outputs['previous-release']).toBe(first.outputs['release'])
  expect(await typed(host, 'aaaa')).toContain('runs now.')
  expectResult(await deploy(host, story('c')), 'deployed')
  expect(await liveTree(host)).toMatchObject({ v: 'c\n' })
  await expectSettled(host)
})

it.concurrent('the console waits for no run, and a run for no console that holds it', async () => {
  await using host = await startHost()
  expectResult(await deploy(host, { source: { v: 'one\n' }, sha: 'a'.repeat(40) }), 'deployed')
  await using run = await starting(host, {
    source: { v: 'two\n' },
    sha: 'b'.repeat(40),
    inputs: { activate: 'echo activating; sleep 4' },
    runId: '1001',
  })
  await run.line(/activating/)
  expect(await typed(host, 'aaaa')).toMatch(/^A deploy is under way: \S+\/runs\/1001 \(since /)
  expect(await typed(host, 'hold', 'the disk')).toMatch(
    /Held: .*\nOne is under way and goes on to its end: \S+\/runs\/1001/,
  )
  expectResult(await run.finished, 'deployed')
  const refused = await deploy(host, { source: { v: 'three\n' }, inputs: { 'lock-timeout': '0s' } })
  expectError(refused, 'HD-LOCK-02', 'the disk (bob)')
  expect(await typed(host, 'previous')).toContain('runs now.')
  expect(await liveTree(host)).toEqual({ v: 'one\n' })
  expect(await typed(host, 'release')).toContain('may begin again')
  expectResult(await deploy(host, { source: { v: 'three\n' } }), 'deployed')
})
