import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type RunOptions, runAction, startAction } from '../../helpers/run-action.ts'
import { scratch } from '../../helpers/scratch.ts'
import { writeTree } from '../../helpers/tree.ts'
import { parseCommand, parseFileCommands, StepLog } from '../../helpers/workflow-commands.ts'

/** Runs two texts as if they were the action's two scripts. */
async function run(main: string, options: RunOptions = {}, post = '') {
  await using folder = await scratch('action')
  await writeTree(folder.path, { 'package.json': '{"type":"module"}', 'main.js': main, 'post.js': post })
  return await runAction({ main: join(folder.path, 'main.js'), post: join(folder.path, 'post.js'), ...options })
}

const append = `import { appendFileSync } from 'node:fs'\nconst put = (f, t) => appendFileSync(process.env['GITHUB_' + f], t + '\\n')\n`

describe('a run', () => {
  test('hands over inputs and the files of the step, and brings state to post', async () => {
    const main = `${append}put('OUTPUT', 'plain=' + process.env['INPUT_SSH-KEY'])
      put('OUTPUT', 'long<<MARK\\none\\ntwo=2\\nMARK'); put('STATE', 'pending=yes'); put('STEP_SUMMARY', '# Deployed')
      console.log('in', process.cwd() === process.env.GITHUB_WORKSPACE); process.exitCode = 3`
    const post = `${append}put('STEP_SUMMARY', 'cleaned'); console.log('post saw', process.env.STATE_pending)`
    const result = await run(main, { inputs: { 'ssh-key': 'KEY' } }, post)
    expect(result).toMatchObject({
      exitCode: 3,
      outputs: { plain: 'KEY', long: 'one\ntwo=2' },
      state: { pending: 'yes' },
    })
    expect(result.summary).toBe('# Deployed\ncleaned\n')
    expect(result.maskedLog).toBe('in true\npost saw yes')
    expect(result.post?.exitCode).toBe(0)
  })

  test('has only the environment of a runner', async () => {
    process.env.LEAKED_FROM_THE_TEST = 'x'
    const { maskedLog } = await run(`console.log(Object.keys(process.env).sort().join(' '))`)
    delete process.env.LEAKED_FROM_THE_TEST
    expect(maskedLog).toContain('RUNNER_TRACKING_ID')
    expect(maskedLog).not.toMatch(/LEAKED|VITEST/)
  })

  test('shows annotations, groups and masked text', async () => {
    const result = await run(
      `console.log('::add-mask::s3cret'); console.log('::group::Build'); console.log('the s3cret word'); console.log('::endgroup::')
      console.error('::error title=It broke%3A badly,file=a.yml::line one%0Aline two 100%25')`,
      { secrets: ['first'], inputs: { token: 'first' } },
      `console.log('first and s3cret')`,
    )
    expect(result.errors).toEqual([
      { level: 'error', title: 'It broke: badly', file: 'a.yml', message: 'line one\nline two 100%' },
    ])
    expect(result.groups).toEqual([{ title: 'Build', lines: ['the *** word'] }])
    expect(result.post?.maskedLog).toBe('*** and ***')
  })

  test('may be cancelled at a line: SIGINT first, then post', async () => {
    const main = `process.on('SIGINT', () => { console.log('interrupted'); process.exit(9) }); setInterval(() => {}, 1e3); console.log('ready')`
    const result = await run(main, { cancelWhen: /ready/ }, `console.log('post runs')`)
    expect(result).toMatchObject({ exitCode: 9, maskedLog: 'ready\ninterrupted\npost runs' })
  })

  test('that ignores SIGINT gets SIGTERM after 7.5 s', { timeout: 15_000 }, async () => {
    const main = `process.on('SIGINT', () => {}); process.on('SIGTERM', () => process.exit(8)); setInterval(() => {}, 1e3); console.log('ready')`
    const result = await run(main, { cancelWhen: /ready/ })
    expect(result.exitCode).toBe(8)
    expect(result.durationMs).toBeGreaterThan(7_400)
  })

  test('whose runner dies has no post', async () => {
    const result = await run(`setInterval(() => {}, 1e3); console.log('ready')`, { killWhen: /ready/ })
    expect(result).toMatchObject({ exitCode: null, signal: 'SIGKILL', post: undefined })
  })

  test('shows the arguments of its children, and what it leaves behind is found and ended', async () => {
    const main = `import { spawn } from 'node:child_process'
      spawn('sleep', ['31.4'], { detached: true, stdio: 'ignore' }).unref(); setTimeout(() => {}, 200)`
    const result = await run(main, { watchArgv: true })
    expect(result.processes.map(({ argv }) => argv)).toContainEqual(['sleep', '31.4'])
    expect(result.orphans.map(({ argv }) => argv)).toEqual([['sleep', '31.4']])
    expect(result.heldOpen).toBe(false)
  })

  test('can be waited for line by line', async () => {
    await using folder = await scratch('action')
    await writeTree(folder.path, {
      'main.mjs': `process.on('SIGUSR2', () => process.exit(5)); console.log('one'); setInterval(() => {}, 1e3)`,
    })
    const going = startAction({ main: join(folder.path, 'main.mjs'), skipPost: true })
    expect(await going.line(/on/)).toBe('one')
    going.kill('SIGUSR2')
    expect((await going.finished).exitCode).toBe(5)
    await expect(going.line(/never/)).rejects.toThrow()
  })
})

describe('the reading of the log', () => {
  test('knows a command from text', () => {
    expect(parseCommand('::error title=a::b')).toMatchObject({
      name: 'error',
      properties: { title: 'a' },
      message: 'b',
    })
    expect(parseCommand('  ::warning::w')).toMatchObject({ name: 'warning', message: 'w' })
    expect(parseCommand('x ##[error]old')).toMatchObject({ name: 'error', message: 'old' })
    expect(parseCommand('a ::error::b')).toBe(undefined)
    expect(parseCommand('[::]:22')).toBe(undefined)
  })

  test('stops at stop-commands and goes on at its token', () => {
    const log = new StepLog()
    for (const line of ['::stop-commands::T', '::error::no', '::T::', '::error::yes']) log.add(line)
    expect(log.annotations.map(({ message }) => message)).toEqual(['yes'])
    expect(log.masked).toContain('::error::no')
  })

  test('masks each line of a value and its base64', () => {
    const log = new StepLog()
    log.add('::add-mask::alpha beta%0Agamma')
    log.add(`gamma ${Buffer.from('alpha beta').toString('base64')}`)
    expect(log.masked[0]).toMatch(/^\*\*\* \*\*\*/)
  })

  test('refuses a broken output file', () => {
    expect(() => parseFileCommands('a<<M\nb\n')).toThrow()
    expect(() => parseFileCommands('nonsense\n')).toThrow()
  })
})
