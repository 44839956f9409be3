import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { until } from '../helpers/armed.ts'
import { ConsoleSite } from '../helpers/console-site.ts'
import { shells } from '../helpers/local-host.ts'
import { readTree } from '../helpers/tree.ts'

/**
 * The promise to whoever sits at the console: what the action can go back to, they can, with nothing but the host; and
 * what goes wrong is taken back as in any deploy. Run with each shell that hosts have, and with its tools.
 */
vi.setConfig({ maxConcurrency: 16, testTimeout: 90_000 })

describe.concurrent.each(shells())('$name', (shell) => {
  /** Two releases; the second runs. */
  const two = async () => {
    const site = await ConsoleSite.create(shell)
    const first = await site.deploy({ tree: { v: 'one\n', 'only one': '' } })
    const second = await site.deploy({ tree: { v: 'two\n', 'deep/two': 'x' } })
    return Object.assign(site, { first, second })
  }
  const isSettled = (site: ConsoleSite) =>
    expect(
      readdirSync(site.state).filter((name) => !/^(current|ledger.jsonl|releases|rollback|verdict)$/.test(name)),
    ).toEqual([])

  it('lists what there is, and what runs', async () => {
    await using site = await two()
    const { code, out } = await site.run()
    expect(code).toBe(0)
    expect(out.split('\n')).toEqual([
      'RELEASE                      DEPLOYED             COMMIT       BY',
      `${site.second}          2026-01-01T00:00:02  222222222222 alice  <- runs now`,
      `${site.first}          2026-01-01T00:00:01  111111111111 alice`,
      '',
    ])
    expect(statSync(join(site.state, 'rollback')).mode & 0o777).toBe(0o700)
    expect(await site.run('list')).toEqual({ code, out })
    expect((await site.run('help')).out).toContain('Usage:')
    isSettled(site)
  })

  it('goes back to the one before, and forwards by a commit', async () => {
    await using site = await two()
    const back = await site.run('previous')
    expect(back.out).toContain(`${site.first} runs now.`)
    expect(back.out).toContain('tcp:localhost:1')
    expect(back.code).toBe(0)
    expect(await readTree(site.live)).toEqual({ active: 'one\n', v: 'one\n', 'only one': '' })
    expect(site.read('current')).toBe(site.first)
    expect(site.ledger().at(-1)).toEqual({
      at: expect.stringMatching(/^2\d{3}-/),
      result: 'deployed',
      code: '',
      durationMs: expect.any(Number),
      activateMs: expect.any(Number),
      mode: 'rollback',
      strategy: 'script',
      release: site.first,
      previous: site.second,
      run: 'console',
      revision: '1'.repeat(40),
      previousRevision: '2'.repeat(40),
      actor: 'bobx',
    })
    isSettled(site)
    expect((await site.run('previous')).out).toContain('There is no earlier release')
    expect(await site.run('22222')).toMatchObject({ code: 0, out: expect.stringContaining(`${site.second} runs now.`) })
    expect(await readTree(site.live)).toEqual({ active: 'two\n', v: 'two\n', 'deep/two': 'x' })
    expect(site.ledger()).toHaveLength(4)
    isSettled(site)
    // And the next deploy finds everything as it expects it.
    await site.deploy({ tree: { v: 'three\n' } })
    expect(await readTree(site.live)).toEqual({ active: 'three\n', v: 'three\n' })
  })

  it('takes back what does not work', async () => {
    await using site = await ConsoleSite.create(shell)
    const ill = await site.deploy({ tree: { v: 'one\n' }, activate: 'cp v active; [ ! -e data/refuse ]' })
    const well = await site.deploy({ tree: { v: 'two\n' } })
    mkdirSync(join(site.live, 'data'))
    writeFileSync(join(site.live, 'data/refuse'), '')
    const { code, out } = await site.run(ill)
    expect(code).toBe(1)
    expect(out).toContain('apply ended with exit code 1: taking it back.')
    expect(out).toContain(`was taken back: ${well} runs as before.`)
    expect(await readTree(site.live)).toEqual({ active: 'two\n', v: 'two\n', 'data/refuse': '' })
    expect(site.read('current')).toBe(well)
    expect(site.ledger().at(-1)).toMatchObject({ result: 'rolled-back', mode: 'rollback', code: 'HD-STEP-01' })
    isSettled(site)
  })

  it('takes back what is interrupted in its middle, also when its terminal just goes away', async () => {
    await using site = await ConsoleSite.create(shell)
    const slow = await site.deploy({ tree: { v: 'one\n' }, activate: 'cp v active; [ ! -e data/wait ] || sleep 40' })
    const well = await site.deploy({ tree: { v: 'two\n' } })
    mkdirSync(join(site.live, 'data'))
    writeFileSync(join(site.live, 'data/wait'), '')
    for (const end of ['SIGINT', 'SIGHUP'] as const) {
      const run = site.start(slow)
      await until('the activation', () => site.read('work/phase-now') === 'apply')
      // As a terminal does it: to all that are in the foreground.
      process.kill(-(run.pid as number), end)
      const { code, out } = await run.said
      expect(out).toContain(`was taken back: ${well} runs as before.`)
      expect(code).toBe(1)
      expect(await readTree(site.live)).toEqual({ active: 'two\n', v: 'two\n', 'data/wait': '' })
      expect(site.ledger().at(-1)).toMatchObject({ result: 'rolled-back', code: 'HD-CANCEL-01' })
      isSettled(site)
    }
  })

  it('that is killed leaves a host that takes the change back by itself, and knows whose lock to free', async () => {
    await using site = await ConsoleSite.create(shell)
    const activate = 'cp v active; [ ! -e data/wait ] || sleep 60'
    const slow = await site.deploy({ tree: { v: 'one\n' }, activate, confirmTimeout: 4_000 })
    const well = await site.deploy({ tree: { v: 'two\n' } })
    mkdirSync(join(site.live, 'data'))
    writeFileSync(join(site.live, 'data/wait'), '')
    const run = site.start(slow)
    await until('the activation', () => site.read('work/phase-now') === 'apply')
    process.kill(-(run.pid as number), 'SIGKILL')
    expect(site.read('work/head.sh')).toContain(`\ntoken=${site.read('lock/token')}\n`)
    await until('the end', () => site.read('work/verdict') === 'rolled-back expired', 60_000)
    expect(await readTree(site.live)).toEqual({ active: 'two\n', v: 'two\n', 'data/wait': '' })
    expect([site.read('current'), existsSync(join(site.state, 'pending.json'))]).toEqual([well, false])
    expect(site.ledger().at(-1)).toMatchObject({ result: 'rolled-back', code: 'HD-GUARD-01' })
  })

  it('keeps away while a deploy holds the lock, and says whose', async () => {
    await using site = await two()
    mkdirSync(join(site.state, 'lock'))
    writeFileSync(join(site.state, 'lock/lease'), '')
    const owner = { run: 'https://example.com/run/9', actor: 'carol', revision: '', since: 'noon' }
    writeFileSync(join(site.state, 'lock/owner.json'), JSON.stringify(owner))
    const { code, out } = await site.run('previous')
    expect([code, out]).toEqual([
      1,
      'A deploy is under way: https://example.com/run/9 (since noon). Try again when it has ended.\n',
    ])
    expect(existsSync(join(site.state, 'lock/owner.json'))).toBe(true)
    // Left behind by a run that died.
    const longAgo = new Date(Date.now() - 300_000)
    utimesSync(join(site.state, 'lock/lease'), longAgo, longAgo)
    expect(await site.run('previous')).toMatchObject({ code: 0 })
    expect(site.read('current')).toBe(site.first)
    isSettled(site)
  })

  it('settles what never came to its end first', async () => {
    await using site = await two()
    mkdirSync(join(site.state, 'work'))
    writeFileSync(join(site.state, 'pending.json'), '{"id":"x","previous":"y"}')
    const settle = join(site.state, 'work/settle.sh')
    writeFileSync(settle, 'exit 1\n')
    const stuck = await site.run('previous')
    expect(stuck).toMatchObject({ code: 1, out: expect.stringContaining('The way back failed') })
    expect(site.read('current')).toBe(site.second)
    writeFileSync(settle, `rm "${site.state}/pending.json"; echo settled\n`)
    const then = await site.run('previous')
    expect(then).toMatchObject({ code: 0, out: expect.stringMatching(/^The change x never came.*\nsettled\n/) })
    isSettled(site)
  })

  it('holds the application for a person, who may still go back, and lets it go', async () => {
    await using site = await two()
    expect((await site.run('hold', 'the disk', 'is "replaced"')).code).toBe(0)
    expect(site.read('maintenance')).toBe('the disk is "replaced" (bobx)')
    expect(await site.run('hold', 'me too')).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^Held for maintenance since 2\d{3}-.*Z: the disk is "replaced" \(bobx\) ?\n/),
    })
    expect((await site.run('list')).out).toContain('Held for maintenance since')
    expect(await site.run('previous')).toMatchObject({ code: 0 })
    expect(site.read('current')).toBe(site.first)
    expect(await site.run('release')).toMatchObject({ code: 0, out: 'Deploys of shop may begin again.\n' })
    expect(existsSync(join(site.state, 'maintenance'))).toBe(false)
    expect(await site.run('release')).toMatchObject({ code: 0, out: 'Nobody holds it.\n' })
  })

  it('changes nothing when it does not know what is meant', async () => {
    await using site = await two()
    for (const [args, words] of [
      [['deadbeef'], 'No release matches deadbeef.'],
      [['111'], '111 is too short'],
      [['*'], 'is too short'],
      [['1111', '2222'], 'Usage:'],
    ] as const) {
      const { code, out } = await site.run(...args)
      expect(code).not.toBe(0)
      expect(out).toContain(words)
    }
    rmSync(join(site.state, 'releases', site.first, 'again.sh'))
    expect((await site.run('previous')).out).toContain('earlier version of homelab-deploy')
    expect(site.read('current')).toBe(site.second)
    isSettled(site)
  })

  it('removes no more files than the deploy would have, unless told to', async () => {
    await using site = await two()
    for (let n = 0; n < 25; n++) writeFileSync(join(site.live, `new-${n}`), '')
    const refused = await site.run('previous')
    expect(refused).toMatchObject({ code: 1, out: expect.stringContaining('set DELETE_LIMIT=26') })
    expect(refused.out).toContain('Nothing was changed.')
    expect((await readTree(site.live))['v']).toBe('two\n')
    isSettled(site)
  })
})
