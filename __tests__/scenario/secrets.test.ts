import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { makeKey } from '../helpers/keys.ts'
import { type RunResult, runAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, eventually, expectResult, expectSettled, inputsFor, stateOf } from '../helpers/story.ts'
import { commitTree, readTree } from '../helpers/tree.ts'

const values = {
  passphrase: 'passphrase-5eCr3t',
  plain: 'env-5eCr3t-value',
  quoted: 'quoted 5eCr3t $HOME `id`',
  multi: 'first-5eCr3t-line\nsecond-5eCr3t-line',
  file: 'file-5eCr3t-content',
}
const key = makeKey('ed25519', values.passphrase)
const files = `cert.pem <- ${Buffer.from(values.file).toString('base64')}`
const secretInputs = {
  'ssh-key': key.private,
  'ssh-key-passphrase': values.passphrase,
  'env-file': `A=${values.plain}\nB='${values.quoted}'\nC="${values.multi}"\n`,
  'secret-files': files,
}
/** Every line by itself: a log is read line by line. */
const needles = [
  ...Object.values(values).flatMap((value) => value.split('\n')),
  ...key.private.split('\n').filter((line) => line.length > 20 && !line.startsWith('-----')),
  Buffer.from(values.file).toString('base64'),
]
function expectNone(text: string, where: string): void {
  for (const needle of needles)
    if (text.includes(needle)) throw new Error(`${where} holds ${needle}:\n${text.slice(0, 3_000)}`)
}
/** What the action makes where no runner gives it a folder; what lay there before is somebody else's. */
const ours = async () => (await readdir('/tmp')).filter((name) => /^hd-(?!tailnet-)/.test(name))
const withoutMasks = (log: string) =>
  log
    .split('\n')
    .filter((line) => !line.startsWith('::add-mask::'))
    .join('\n')

async function expectNoLeak(result: RunResult, host: EmbeddedHost, temp: string): Promise<void> {
  expectNone(result.maskedLog, 'the log')
  expectNone(withoutMasks(result.log), 'what was printed')
  expectNone(result.summary, 'the summary')
  expectNone(
    JSON.stringify([result.main.outputs, result.main.state, result.main.env, result.annotations]),
    'outputs or state',
  )
  // Between fork and exec a child still looks like the action itself.
  for (const { argv, env } of result.processes.filter(
    ({ argv }) => !argv.some((word) => word.endsWith('dist/index.js')),
  )) {
    expectNone(argv.join(' '), 'the arguments of a process on the runner')
    expectNone(env.join(' '), 'the environment of a process on the runner')
    expect(env.filter((line) => line.startsWith('INPUT_'))).toEqual([])
  }
  for (const { command } of host.commands) expectNone(command, 'a command line on the host')
  const report = result.main.outputs['report'] as string
  expectNone(await readFile(report, 'utf8'), 'the report')
  expectNone(await readFile(join(stateOf(host), 'ledger.jsonl'), 'utf8'), 'the ledger')
  // The report is all that stays in the runner's temporary folder: no key, no socket, no list of files.
  expect(Object.keys(await readTree(temp))).toEqual([expect.stringMatching(/^homelab-deploy-\w+\/report\.json$/)])
}

describe.each(['tar', 'rsync', 'git'])('with sync: %s', (sync) => {
  it.concurrent('no secret is seen anywhere but in its place, and nothing stays behind', async () => {
    const others = await ours()
    await using host = await startHost({ authorizedKeys: [key.public] })
    await using workspace = await scratch('workspace')
    await using temp = await scratch('temp')
    const sha = await commitTree(workspace.path, { a: '1', big: 'x'.repeat(100_000) })
    // What a command says is shown: even when it says what it should not.
    const activate = `cat .env cert.pem; echo "got ${'$'}(sed -n 's/^A=//p' .env)"; tr '\\n' ' ' <.env; env`
    // Looks at the process list of the host while it runs.
    const before =
      'sleep 0.2; cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " " >"$HOME/ps"; cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" " " >"$HOME/environ"'
    const result = await runAction({
      inputs: inputsFor(host, { ...secretInputs, sync, activate, before }),
      workspace: workspace.path,
      sha,
      env: { RUNNER_TEMP: temp.path },
      watchArgv: true,
    })
    expectResult(result, 'deployed')
    expect(result.maskedLog).toContain('got ***')
    await expectNoLeak(result, host, temp.path)
    expectNone(readFileSync(join(host.home, 'ps'), 'latin1'), 'the process list of the host')
    if (sync !== 'tar') expect(result.processes.map(({ argv }) => argv.join(' ')).join('\n')).toMatch(sync)
    await expectSettled(host)
    expect(host.open).toBe(0)
    expect((await ours()).filter((name) => !others.includes(name))).toEqual([])
  })
})

it.concurrent('a deploy that fails says as little', async () => {
  await using host = await startHost({ authorizedKeys: [key.public] })
  await using temp = await scratch('temp')
  const activate = `cat .env >&2; echo "::error::${values.plain}"; cat cert.pem; exit 3`
  const result = await deploy(host, {
    inputs: { ...secretInputs, activate },
    env: { RUNNER_TEMP: temp.path },
    watchArgv: true,
    skipPost: false,
  })
  expectResult(result, 'rolled-back')
  await expectNoLeak(result, host, temp.path)
  await expectSettled(host)
  expect(await readTree(join(stateOf(host), 'releases'))).toEqual({})
})

it.concurrent('a secret in the wrong input is not repeated in the message', async () => {
  await using host = await startHost()
  const result = await deploy(host, { inputs: { 'env-file': `A=${values.plain}`, path: values.plain } })
  expect(result.exitCode).toBe(1)
  expect(result.errors[0]?.message).toContain('is not absolute')
  expectNone(withoutMasks(result.log), 'what was printed')
})

it.concurrent('what a host prints commands nobody: no annotation, no mask, no output, no end of a group', async () => {
  await using host = await startHost()
  const lines = [
    '::error title=forged::by the host',
    '  ::warning::by the host',
    '::set-output name=result::deployed',
    '::save-state name=pending::x',
    '::add-mask::deployed',
    '::stop-commands::token',
    '##[error]by the host',
    'a ##[set-env name=X]by the host',
    '::endgroup::',
  ]
  const activate = `cat <<'END'\n${lines.join('\n')}\nEND\nprintf '::err'; sleep 0.3; printf 'or::in two pieces\\n'; exit 3`
  const result = await deploy(host, { inputs: { activate } })
  expectResult(result, 'rolled-back')
  expect(result.annotations.map(({ level }) => level)).toEqual(['error'])
  expect(result.errors[0]?.title).not.toBe('forged')
  expect(result.masks).not.toContain('deployed')
  expect(result.env).toEqual({})
  expect(result.maskedLog).toContain('by the host')
  expect(result.maskedLog).toContain('in two pieces')
})

it.concurrent('a script that prints nothing for a while keeps its connection', async () => {
  await using host = await startHost()
  const result = await deploy(host, { inputs: { activate: 'sleep 12; echo awake' } })
  expectResult(result, 'deployed')
  expect(result.maskedLog).toContain('awake')
  expect(result.maskedLog).not.toContain('connection was lost')
  await eventually(() => expect(host.processes()).toEqual([]))
})
