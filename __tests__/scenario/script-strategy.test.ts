import { statSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { deploy, expectError, expectResult, expectSettled, ledger, liveTree, stateOf } from '../helpers/story.ts'
import { readTree } from '../helpers/tree.ts'

/** Each command notes that it ran, in which order, and what it saw. */
const note = (name: string) =>
  `echo "${name}: $(cat v 2>/dev/null || echo nothing) in $(basename "$PWD")" >>"$HOME/story"`
const storyOf = async (home: string) => (await readFile(join(home, 'story'), 'utf8')).trim().split('\n')

describe('the commands', () => {
  it.concurrent('run in their order, in the path, with what they are told', async () => {
    await using host = await startHost()
    const inputs = {
      before: `cd; ${note('before')}`,
      prepare: note('prepare'),
      activate: `${note('activate')}\necho "$DEPLOY_NAME $DEPLOY_ID [$DEPLOY_PREVIOUS] $DEPLOY_REVISION" >>"$HOME/story"; cat "$RELEASE/v" >>"$HOME/story"`,
      after: note('after'),
    }
    const result = await deploy(host, { source: { v: 'one\n' }, inputs })
    expectResult(result, 'deployed')
    expect(await storyOf(host.home)).toEqual([
      'before: nothing in home',
      'prepare: one in app',
      'activate: one in app',
      `shop ${result.outputs['release']} [] 0123456789abcdef0123456789abcdef01234567`,
      'one',
      'after: one in app',
    ])
    await expectSettled(host)
  })

  it.concurrent('may be of any language, and stop at the first error where they are shell', async () => {
    await using host = await startHost()
    const perl = '#!/usr/bin/env perl\nopen(my $f, ">", "by-perl"); print $f "yes"; close $f;'
    expectResult(await deploy(host, { inputs: { activate: perl } }), 'deployed')
    expect(await liveTree(host)).toMatchObject({ 'by-perl': 'yes' })
    const result = await deploy(host, { source: { a: 'x' }, inputs: { activate: 'false\ntouch too-far' } })
    expectResult(result, 'rolled-back')
    expectError(result, 'HD-STEP-01', '`activate` ended with exit code 1')
    expect(await liveTree(host)).not.toHaveProperty('too-far')
  })

  it.concurrent('have nothing to read, and what they leave in the background holds nobody up', async () => {
    await using host = await startHost()
    const activate = 'cat; (sleep 25; echo late) & echo "done"'
    const result = await deploy(host, { inputs: { activate } })
    expectResult(result, 'deployed')
    expect(result.main.durationMs).toBeLessThan(15_000)
  })
})

describe('what fails', () => {
  const cases: Record<string, { inputs: Record<string, string>; says: string; result: string }> = {
    before: {
      inputs: { before: 'echo "no luck" >&2; exit 7' },
      says: '`before` ended with exit code 7',
      result: 'failed',
    },
    prepare: {
      inputs: { prepare: 'echo "no luck"; exit 8' },
      says: '`prepare` ended with exit code 8',
      result: 'rolled-back',
    },
    activate: {
      inputs: { activate: 'echo "no luck"; exit 9' },
      says: '`activate` ended with exit code 9',
      result: 'rolled-back',
    },
  }
  it.concurrent.each(Object.entries(cases))(
    '%s: what ran runs again, with its env file',
    async (_name, { inputs, says, result }) => {
      await using host = await startHost()
      const env = { 'env-file': 'KEY=old-value' }
      expectResult(
        await deploy(host, { source: { v: 'one\n' }, inputs: { activate: note('activate'), ...env } }),
        'deployed',
      )
      const broken = await deploy(host, {
        source: { v: 'two\n', more: 'x' },
        inputs: {
          ...inputs,
          'env-file': 'KEY=new-value',
          'secret-files': `cert.pem <- ${Buffer.from('pem').toString('base64')}`,
        },
      })
      expectResult(broken, result)
      expectError(broken, 'HD-STEP-01', says, 'no luck')
      expect(broken.outputs).toMatchObject({ changed: 'false' })
      expect(await liveTree(host)).toEqual({ v: 'one\n', '.env': { text: 'KEY=old-value\n', mode: 0o600 } })
      // Without a `restore` the way back is the way there: what activated the old version does it again.
      const activations = (await storyOf(host.home)).filter((line) => line === 'activate: one in app')
      expect(activations).toHaveLength(result === 'rolled-back' ? 2 : 1)
      expect(await readdir(join(stateOf(host), 'releases'))).toHaveLength(1)
      await expectSettled(host)
    },
  )

  it.concurrent('restore finds the tree of the release it goes back to', async () => {
    await using host = await startHost()
    const first = await deploy(host, { source: { v: 'one\n' } })
    const restore = 'cat "$RELEASE/v" v >"$HOME/restored"; basename "$(dirname "$RELEASE")" >>"$HOME/restored"'
    const result = await deploy(host, { source: { v: 'two\n' }, inputs: { activate: 'exit 1', restore } })
    expectResult(result, 'rolled-back')
    expect(await readFile(join(host.home, 'restored'), 'utf8')).toBe(`one\none\n${first.outputs['release']}\n`)
  })

  it.concurrent('a first deploy leaves what was there before it', async () => {
    await using host = await startHost()
    await host.write({ 'app/by-hand': 'x', 'app/.env': { text: 'MINE=1\n', mode: 0o640 } })
    const result = await deploy(host, { inputs: { activate: 'exit 1', 'env-file': 'KEY=some-value' } })
    expectResult(result, 'rolled-back')
    expect(await liveTree(host)).toEqual({ 'by-hand': 'x', '.env': { text: 'MINE=1\n', mode: 0o640 } })
    expect(result.outputs).toMatchObject({ release: '', 'previous-release': '' })
  })

  it.concurrent('after: the new version stays, and the job fails', async () => {
    await using host = await startHost()
    const result = await deploy(host, { source: { v: 'one\n' }, inputs: { after: 'exit 5' } })
    expectError(result, 'HD-STEP-01', '`after` ended with exit code 5')
    expect(result.outputs['result']).toBe('failed')
    expect(await liveTree(host)).toEqual({ v: 'one\n' })
    await expectSettled(host)
  })

  it.concurrent('rollback: off leaves the new version, and says so', async () => {
    await using host = await startHost()
    expectResult(await deploy(host, { source: { v: 'one\n' } }), 'deployed')
    const result = await deploy(host, { source: { v: 'two\n' }, inputs: { activate: 'exit 1', rollback: 'off' } })
    expectResult(result, 'failed')
    expect(result.warnings.map(({ message }) => message).join()).toContain('left as it is')
    expect(await liveTree(host)).toEqual({ v: 'two\n' })
    await expectSettled(host)
    expectResult(await deploy(host, { source: { v: 'three\n' } }), 'deployed')
    expect(await liveTree(host)).toEqual({ v: 'three\n' })
  })

  it.concurrent('a way back that fails too is told as what it is, and names the script to run', async () => {
    await using host = await startHost()
    expectResult(await deploy(host, { source: { v: 'one\n' } }), 'deployed')
    const inputs = { activate: 'exit 1', restore: 'echo "no way back"; exit 2' }
    const result = await deploy(host, { source: { v: 'two\n' }, inputs })
    expectResult(result, 'rollback-failed')
    expect(result.errors[0]?.message).toContain('needs a person')
    expect(result.errors[0]?.message).toContain(`sh ${stateOf(host)}/work/restore.sh`)
    // The files are back all the same; the command of the user is what did not work.
    expect(await liveTree(host)).toEqual({ v: 'one\n' })
  })
})

describe('env-file and secret-files', () => {
  const binary = Buffer.from(Array.from({ length: 512 }, (_, n) => (n * 31) % 256))

  it.concurrent('arrive byte for byte, with mode 600, and are never half there', async () => {
    await using host = await startHost()
    await host.write({ 'app/.env': { text: 'OLD=1\n', mode: 0o644 } })
    const inputs = {
      'env-file': 'A="two\nlines"\nB=\'$(id) `id`\'\r\nC=plain # comment\n',
      'env-path': 'conf/prod.env',
      'secret-files': [
        `keys/a key.bin <- ${binary.toString('base64')}`,
        `${host.home}/outside/cert.pem <- ${Buffer.from('pem\n').toString('base64')}`,
      ].join('\n'),
    }
    const result = await deploy(host, { inputs })
    expectResult(result, 'deployed')
    expect(await liveTree(host)).toEqual({
      '.env': 'OLD=1\n',
      'conf/prod.env': { text: 'A="two\nlines"\nB=\'$(id) `id`\'\nC=plain # comment\n', mode: 0o600 },
      'index.html': 'one\n',
      'keys/a key.bin': { base64: binary.toString('base64'), mode: 0o600 },
    })
    expect(await readTree(join(host.home, 'outside'))).toEqual({ 'cert.pem': { text: 'pem\n', mode: 0o600 } })
    expectResult(await deploy(host, { inputs }), 'unchanged')
    await writeFile(join(host.home, 'app/conf/prod.env'), 'tampered')
    expectResult(await deploy(host, { inputs }), 'deployed')
    expect(statSync(join(host.home, 'app/conf/prod.env')).mode & 0o777).toBe(0o600)
    expect(await readFile(join(host.home, 'app/conf/prod.env'), 'utf8')).toContain('C=plain')
  })

  it.concurrent('the log names the variables that come and go, and no value', async () => {
    await using host = await startHost()
    await host.write({ 'app/.env': 'OLD=1\nPEM="first\nc2VjcmV0=\n"\n' })
    const first = await deploy(host, { inputs: { 'env-file': 'OLD=1\nPEM="first\nc2VjcmV0=\n"\nLEVEL=loud\n' } })
    expectResult(first, 'deployed')
    expect(first.log).toMatch(/^new in the env file: LEVEL$/m)
    const second = await deploy(host, { source: { x: '' }, inputs: { 'env-file': 'LEVEL=soft\nCOLOUR=red\n' } })
    expectResult(second, 'deployed')
    expect(second.log).toMatch(/^new in the env file: COLOUR; gone from the env file: OLD, PEM$/m)
    for (const { maskedLog, summary } of [first, second]) expect(maskedLog + summary).not.toMatch(/c2VjcmV0|soft|loud/)
  })

  it.concurrent('a file that is a link stays one: what it leads to is written', async () => {
    await using host = await startHost()
    await host.write({ 'shared/env': 'OLD=1\n', 'app/.env': { symlink: '../shared/env' } })
    expectResult(await deploy(host, { inputs: { 'env-file': 'KEY=new-value' } }), 'deployed')
    expect(await liveTree(host)).toMatchObject({ '.env': { symlink: '../shared/env' } })
    expect(await readFile(join(host.home, 'shared/env'), 'utf8')).toBe('KEY=new-value\n')
    expectResult(
      await deploy(host, { source: { x: '' }, inputs: { 'env-file': 'KEY=other-value', activate: 'exit 1' } }),
      'rolled-back',
    )
    expect(await readFile(join(host.home, 'shared/env'), 'utf8')).toBe('KEY=new-value\n')
  })
})

it.concurrent('the ledger has a line for each run that came as far as the host', async () => {
  await using host = await startHost()
  expectResult(await deploy(host, { source: { v: 'one\n' } }), 'deployed')
  expectResult(await deploy(host, { source: { v: 'one\n' } }), 'unchanged')
  expectResult(await deploy(host, { source: { v: 'two\n' }, inputs: { activate: 'exit 1' } }), 'rolled-back')
  expect(await ledger(host)).toMatchObject([
    { result: 'deployed', mode: 'deploy', code: '' },
    { result: 'unchanged', mode: 'deploy', code: '' },
    { result: 'rolled-back', mode: 'deploy', code: 'HD-STEP-01' },
  ])
  expect(statSync(stateOf(host)).mode & 0o777).toBe(0o700)
})

it.concurrent('the same version again is left alone while it is healthy, and deployed anew when it is not', async () => {
  await using host = await startHost()
  const inputs = {
    activate: 'touch "$HOME/runs"; echo activated >>"$HOME/times"',
    health: 'command: test -e "$HOME/runs"',
    'health-stable': '0s',
  }
  const times = async () => (await readFile(join(host.home, 'times'), 'utf8')).split('\n').length - 1
  expectResult(await deploy(host, { inputs }), 'deployed')
  expectResult(await deploy(host, { inputs }), 'unchanged')
  expect(await times()).toBe(1)
  await rm(join(host.home, 'runs'))
  expectResult(await deploy(host, { inputs }), 'deployed')
  expect(await times()).toBe(2)
})
