import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeKey } from '../helpers/keys.ts'
import { signal } from '../helpers/processes.ts'
import { type ActionRun, startAction } from '../helpers/run-action.ts'
import { type Scratch, scratch } from '../helpers/scratch.ts'
import { expectError } from '../helpers/story.ts'
import { readTree, writeTree } from '../helpers/tree.ts'

/** The secret files of a hive on the runner: there while colmena runs, and gone whatever becomes of it. It is played by a script that shows them. */
let folder: Scratch
const secret = 'a-secret-of-the-hive'
beforeEach(async () => {
  folder = await scratch('hive')
  await writeTree(folder.path, { 'work/hive.nix': '{}', 'work/README': 'hive' })
})
afterEach(async () => await folder[Symbol.asyncDispose]())

async function start(colmena?: string): Promise<ActionRun> {
  if (colmena !== undefined) {
    await writeTree(folder.path, { 'bin/colmena': `#!/bin/sh\n${colmena}\n` })
    await chmod(join(folder.path, 'bin/colmena'), 0o755)
  }
  const inputs = {
    nodes: 'web',
    'ssh-key': makeKey().private,
    name: 'shop',
    'colmena-args': '--impure',
    'secret-files': `.env.production <- ${Buffer.from(secret).toString('base64')}\ntls/key.pem <- c29tZS1rZXk=`,
  }
  const env = { SSH_AUTH_SOCK: '/agent-of-the-job', CLICOLOR_FORCE: '1', RUST_BACKTRACE: 'full' }
  return startAction({ inputs, env, workspace: join(folder.path, 'work'), path: [join(folder.path, 'bin')] })
}
const expectGone = async () =>
  expect(await readTree(join(folder.path, 'work'))).toEqual({ 'hive.nix': '{}', README: 'hive' })

const looking = `[ "$PWD" = "$(pwd -P)" ] || exit 9
[ "$(stat -c %a .env.production)" = 600 ] && [ -s tls/key.pem ] || exit 8
env | grep -E '^(INPUT_|GITHUB_|STATE_)' && exit 7
[ "$SSH_AUTH_SOCK $CLICOLOR_FORCE $RUST_BACKTRACE" = '/agent-of-the-job 0 0' ] || exit 6
echo "asked: $*" | head -n 1 >&2`

it('an evaluation that fails', async () => {
  const result = await (await start(`${looking}; echo "error: undefined variable 'webb'" >&2; exit 1`)).finished
  expectError(result, 'HD-HIVE-02', "undefined variable 'webb'")
  expect(result.maskedLog).toContain('asked: eval -E { nodes')
  expect(result.maskedLog).not.toContain(secret)
  await expectGone()
})

it('no colmena', async () => {
  expectError(await (await start()).finished, 'HD-PATH-01', 'colmena is missing on the runner')
  await expectGone()
})

it.each([
  ['a job that is cancelled', (run: ActionRun) => run.cancel()],
  ['a main that is killed: post removes them', (run: ActionRun) => void signal(run.pid as number, 'SIGKILL')],
])('%s', async (_, end) => {
  const run = await start(`${looking}; exec sleep 30`)
  await run.line(/^asked: /)
  end(run)
  const result = await run.finished
  // colmena was ended as well: it would go on with a host that has gone back.
  expect(result.orphans).toEqual([])
  await expectGone()
})
