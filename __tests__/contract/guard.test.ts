import { execFile } from 'node:child_process'
import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { Guard } from '../../src/guard/guard.ts'
import { hold } from '../../src/guard/questions.ts'
import { openGate } from '../../src/guard/transaction.ts'
import type { Log } from '../../src/log.ts'
import { Armed, makeNew, until } from '../helpers/armed.ts'
import { shells } from '../helpers/local-host.ts'

/**
 * The promise of the guard: whatever happens to the runner, to the connection or to the guard itself, a change ends
 * once, as the new version or as the old one, and the ledger says so once. Run with each shell that hosts have.
 */
vi.setConfig({ maxConcurrency: 16, testTimeout: 60_000 })

const run = promisify(execFile)
const slow = 'sleep 30'
const patient = { silenceSeconds: 60, evidenceSeconds: 20 }

describe.concurrent.each(shells())('$name', (shell) => {
  it('ends once, as new or as old, whatever comes when', { timeout: 120_000 }, async () => {
    const acts = fc.array(
      fc.record({
        act: fc.constantFrom('confirmed', 'refused', 'kill', 'settle', 'wait'),
        after: fc.constantFrom(0, 50, 300, 700, 1_200),
      }),
      { minLength: 1, maxLength: 4 },
    )
    const phase = fc.constantFrom(makeNew, ':', `${makeNew}; false`, `sleep 0.4; ${makeNew}`, `${makeNew}; sleep 5`)
    const restore = fc.constantFrom(true, true, true, false)
    const story = fc.record({
      acts,
      phases: fc.tuple(phase, phase, phase),
      restore,
      confirmSeconds: fc.constantFrom(1, 3),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(story, { minLength: 6, maxLength: 6 }), async (stories) => {
        await Promise.all(
          stories.map(async ({ acts, phases: [change, prepare, apply], restore, confirmSeconds }) => {
            await using site = await Armed.create(shell)
            await site.arm({
              confirmSeconds,
              phases: { switch: `${makeNew}; ${change}`, prepare, apply },
              restore: restore ? 'echo old >"$live/a"; sleep 0.1; echo old >"$live/b"' : 'exit 1',
            })
            const running = acts.map(async ({ act, after }, index) => {
              await sleep(after * (index + 1))
              if (act === 'confirmed' || act === 'refused') await site.decide(act)
              else if (act === 'settle') await site.settle()
              else if (act === 'kill' && site.has('work/pid')) await site.kill()
            })
            await Promise.all(running)
            const word = site.read('work/verdict') || site.read('verdict').replace(/^2 /, '')
            const last = await site.settle()
            if (word !== '') expect(last).toBe(word)
            const end = last?.split(' ')[0] ?? ''
            const ends = {
              confirmed: ['new new', 'deployed'],
              'rolled-back': ['old old', 'rolled-back'],
              // Refused, or expired on a slow machine, before the guard came to its first change.
              untouched: ['old old', 'failed'],
            }
            const [tree, result] = Object.entries(ends).find(([name]) => name === end)?.[1] ?? ['', '']
            await sleep(300)
            expect(site.results()).toEqual([end === 'rollback-failed' ? end : result])
            expect(site.has('pending.json')).toBe(end === 'rollback-failed')
            if (end !== 'rollback-failed') expect(await site.tree()).toBe(tree)
            else expect(restore).toBe(false)
          }),
        )
      }),
      { numRuns: 2, endOnFailure: true },
    )
  })

  describe('a decision', () => {
    it('is the end: the new version, when the runner confirms', async () => {
      await using site = await Armed.create(shell)
      await site.arm()
      await site.reached('wait')
      expect(await site.decide('confirmed')).toBe('decided\nverdict confirmed\n')
      // The answer may be lost on its way: whoever asks again hears the same.
      expect(await site.decide('confirmed')).toBe('verdict confirmed\n')
      expect(await site.decide('refused')).toBe('verdict confirmed\n')
      expect(await site.tree()).toBe('new new')
      expect(site.read('current')).toBe('2')
      expect(site.has('pending.json')).toBe(false)
      expect(site.ledger()).toEqual([
        {
          at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
          result: 'deployed',
          code: '',
          mode: 'deploy',
          strategy: 'script',
          release: '2',
          previous: '1',
          revision: 'abc',
          actor: 'me',
          durationMs: expect.any(Number),
          activateMs: expect.any(Number),
          previousRevision: 'ünïcode "quoted" \\',
          run: 'https://example.com/run/7',
        },
      ])
      const took = site.ledger()[0]?.durationMs as number
      expect(took).toBeGreaterThan(1_200)
      expect(took).toBeLessThan(20_000)
    })

    it('is the end: the old version, when the runner refuses, with its reason', async () => {
      await using site = await Armed.create(shell)
      await site.arm()
      await site.reached('wait')
      expect(await site.decide('refused', 'HD-HEALTH-01')).toMatch(/^decided\n/)
      expect(await site.decide('confirmed')).not.toMatch(/decided|confirmed/)
      expect(await site.verdict()).toBe('rolled-back refused')
      expect(await site.tree()).toBe('old old')
      expect(site.has('pending.json')).toBe(false)
      expect(site.ledger()).toMatchObject([{ result: 'rolled-back', code: 'HD-HEALTH-01' }])
      expect(site.read('work/evidence')).toBe('what was seen')
      expect(site.read('current')).toBe('')
    })

    it('concerns its own change: the last word on the one before is not its', async () => {
      await using site = await Armed.create(shell)
      writeFileSync(join(site.state, 'verdict'), '1 confirmed\n')
      expect(await site.decide('refused')).toBe('none\n')
      expect(await site.settle()).toBe(undefined)
      writeFileSync(join(site.state, 'verdict'), '2 confirmed\n')
      expect(await site.decide('refused')).toBe('verdict confirmed\n')
    })

    it('against it before its first change leaves what is there untouched', async () => {
      await using site = await Armed.create(shell)
      await site.arm({ phases: { build: slow, switch: makeNew, apply: ':' }, restore: 'echo never >"$live/a"' })
      await site.reached('build')
      expect(await site.decide('refused', 'HD-CANCEL-01')).toMatch(/^decided\n/)
      expect(await site.verdict()).toBe('untouched refused')
      expect(await site.tree()).toBe('old old')
      expect(site.ledger()).toMatchObject([{ result: 'failed', code: 'HD-CANCEL-01' }])
      expect(site.has('pending.json')).toBe(false)
    })

    it('waits for its turn before the first change, and for the others after the last', async () => {
      await using site = await Armed.create(shell)
      using beating = new DisposableStack()
      const phases = { build: 'echo built', switch: makeNew, apply: ':' }
      await site.arm({ gated: true, confirmSeconds: 2, phases }, { silenceSeconds: 3, evidenceSeconds: 1 })
      const beat = () => writeFileSync(join(site.state, 'lock/beat'), `${performance.now()}\n`)
      beating.adopt(setInterval(beat, 500), clearInterval)
      await site.reached('turn')
      // Longer than anybody may be silent, and later longer than it may stay unconfirmed.
      await sleep(4_000)
      expect(await site.tree()).toBe('old old')
      await site.host.run(openGate(site.state))
      await site.reached('wait')
      await site.host.run(hold(site.state, '2'))
      await sleep(4_000)
      expect(site.has('work/verdict')).toBe(false)
      beating.dispose()
      // Nobody is there any more.
      expect(await site.verdict()).toBe('rolled-back expired')
      expect(await site.tree()).toBe('old old')
    })

    it('cannot be for a change that is not made yet', async () => {
      await using site = await Armed.create(shell)
      await site.arm({ phases: { switch: makeNew, apply: 'until [ -e "$live/go" ]; do sleep 0.1; done' } })
      expect(await site.decide('confirmed')).toBe('early\n')
      await site.reached('apply')
      expect(await site.decide('confirmed')).toBe('early\n')
      writeFileSync(join(site.live, 'go'), '')
      await site.reached('wait')
      expect(await site.decide('confirmed')).toMatch(/^decided\n/)
      expect(await site.tree()).toBe('new new')
    })

    it('against it ends a phase in its middle, with all that it started', async () => {
      await using site = await Armed.create(shell)
      const stubborn = `(trap '' TERM; sleep 3; echo stray >"$live/a") & ${slow} & ${makeNew}; wait`
      await site.arm({ phases: { switch: stubborn, apply: 'echo never >"$live/b"' } })
      await until('the change', () => readFileSync(join(site.live, 'b'), 'utf8') === 'new\n')
      await site.decide('refused')
      expect(await site.verdict()).toBe('rolled-back refused')
      await sleep(2_000)
      expect(site.processes().filter(({ argv }) => argv.includes('30'))).toEqual([])
      expect(await site.tree()).toBe('old old')
    })

    it.each(['switch', 'prepare', 'migrate', 'apply'] as const)('is made by a %s that fails', async (phase) => {
      await using site = await Armed.create(shell)
      const phases = { switch: makeNew, prepare: ':', migrate: ':', apply: ':' }
      await site.arm({ phases: { ...phases, [phase]: 'echo half >"$live/a"; echo why it failed; false; echo on' } })
      expect(await site.verdict()).toBe('rolled-back failed')
      expect(await site.tree()).toBe('old old')
      expect(site.read(`work/done.${phase}`)).toBe('1')
      expect(site.read(`work/log.${phase}`)).toBe('why it failed')
      expect(site.ledger()).toMatchObject([{ result: 'rolled-back', code: 'HD-STEP-01' }])
    })
  })

  describe('without anybody', () => {
    it('takes back what nobody confirmed in time', async () => {
      await using site = await Armed.create(shell)
      await site.arm({ confirmSeconds: 1 })
      expect(await site.verdict()).toBe('rolled-back expired')
      expect(await site.tree()).toBe('old old')
      expect(site.ledger()).toMatchObject([{ result: 'rolled-back', code: 'HD-GUARD-01' }])
    })

    it('ends an apply that takes longer than the time to confirm', async () => {
      await using site = await Armed.create(shell)
      await site.arm({ confirmSeconds: 1, phases: { switch: makeNew, apply: slow } })
      expect(await site.verdict()).toBe('rolled-back expired')
      expect(await site.tree()).toBe('old old')
    })

    it('takes back before the change when the runner falls silent, and not while it gives signs of life', async () => {
      await using site = await Armed.create(shell)
      const hasty = { ...patient, silenceSeconds: 3 }
      await site.arm({ phases: { switch: makeNew, prepare: slow, apply: ':' } }, hasty)
      await site.reached('prepare')
      for (let beat = 2; beat < 8; beat++) {
        writeFileSync(join(site.state, 'lock/beat'), `${beat}\n`)
        await sleep(700)
      }
      expect(site.has('work/open')).toBe(true)
      expect(await site.verdict()).toBe('rolled-back expired')
      expect(await site.tree()).toBe('old old')
    })

    it.each(['switch', 'wait'])('goes on when its lock is gone during %s', async (phase) => {
      await using site = await Armed.create(shell)
      await site.arm({ confirmSeconds: 2, phases: { switch: 'sleep 2', apply: makeNew } })
      await site.reached(phase)
      rmSync(join(site.state, 'lock'), { recursive: true })
      expect(await site.verdict()).toBe('rolled-back expired')
      expect(await site.tree()).toBe('old old')
    })

    it('is not held up by logs that cannot be had', async () => {
      await using site = await Armed.create(shell)
      const evidence = 'echo the beginning; sleep 30; echo the end'
      await site.arm({ evidence, phases: { switch: 'false' } }, { ...patient, evidenceSeconds: 1 })
      expect(await site.verdict()).toBe('rolled-back failed')
      expect(site.read('work/evidence')).toBe('the beginning')
    })

    it('clears up once the runner is gone, and frees the lock', async () => {
      await using site = await Armed.create(shell)
      await site.arm({ phases: { switch: 'false' } }, { ...patient, silenceSeconds: 1 })
      await until('the end', () => !site.has('lock'))
      expect(site.has('work')).toBe(false)
      expect(site.read('verdict')).toBe('2 rolled-back failed')
      expect(await site.settle()).toBe('rolled-back failed')
      await until('no process', () => site.processes().length === 0)
      expect(readdirSync(site.state).toSorted()).toEqual(['evidence', 'ledger.jsonl', 'verdict'])
    })
  })

  describe('a guard that was killed', () => {
    it.each(['switch', 'prepare', 'migrate', 'apply'] as const)(
      'in %s leaves what settle takes back',
      async (phase) => {
        await using site = await Armed.create(shell)
        const stray = `${makeNew}; sleep 1.5; echo stray >"$live/a"; ${slow}`
        await site.arm({ phases: { switch: makeNew, prepare: ':', migrate: ':', apply: ':', [phase]: stray } })
        await site.reached(phase)
        await sleep(100)
        await site.kill()
        expect(await site.settle()).toBe('rolled-back expired')
        await sleep(1_500)
        expect(await site.tree()).toBe('old old')
        expect(site.results()).toEqual(['rolled-back'])
        expect(site.has('pending.json')).toBe(false)
        await until('no process', () => site.processes().length === 0)
      },
    )

    it('in the wait can still be decided by the runner, which finishes by itself', async () => {
      await using site = await Armed.create(shell)
      await site.arm()
      await site.reached('wait')
      await site.kill()
      expect(await site.decide('confirmed')).toBe('decided\nverdict confirmed\n')
      expect(await site.settle()).toBe('confirmed')
      expect(await site.tree()).toBe('new new')
      expect(site.results()).toEqual(['deployed'])
    })

    it('is settled in the way that was decided before', async () => {
      await using site = await Armed.create(shell)
      await site.arm({ confirm: 'sleep 0.5; echo 2 >"$state/current"' })
      await site.reached('wait')
      await site.kill()
      // The runner dies between the two: it decided, and did not finish.
      renameSync(join(site.work, 'open'), join(site.work, 'confirmed'))
      expect(await Promise.all([site.settle(), site.settle()])).toEqual(['confirmed', 'confirmed'])
      expect(site.read('current')).toBe('2')
      expect(site.results()).toEqual(['deployed'])
    })

    it('in the middle of the way back is settled after what it left running', async () => {
      await using site = await Armed.create(shell)
      const restore =
        'mkdir "$work/restoring" || exit 1; sleep 1; cp "$work/a" "$work/b" "$live/"; rmdir "$work/restoring"'
      await site.arm({ restore, phases: { switch: `${makeNew}; false` } })
      await site.reached('restore')
      await until('the way back', () => site.has('work/restoring'))
      await site.kill()
      expect(await Promise.all([site.settle(), site.settle()])).toEqual(['rolled-back failed', 'rolled-back failed'])
      expect(await site.tree()).toBe('old old')
      expect(site.results()).toEqual(['rolled-back'])
    })

    it('is followed by a runner that sees it, and settles', async () => {
      await using site = await Armed.create(shell)
      await site.arm({ phases: { switch: `${makeNew}; echo I am here; ${slow}`, apply: ':' } })
      const messages: string[] = []
      const log = { info() {}, warning: (text: string) => messages.push(text) } as unknown as Log
      const connect = async () => site.host
      await using others = new AsyncDisposableStack()
      const guard = new Guard({ host: site.host, others }, site.state, '2', {
        log,
        connect,
        onReconnect: async () => {},
        patienceMs: 1,
      })
      const seen = guard.phase('switch')
      await until('the change', () => readFileSync(join(site.live, 'b'), 'utf8') === 'new\n')
      await site.kill()
      expect(await seen).toMatchObject({ verdict: { end: 'rolled-back', why: 'expired' }, output: 'I am here' })
      expect(messages).toHaveLength(1)
      expect(await site.tree()).toBe('old old')
    })
  })

  describe('settling', () => {
    it('refuses where the guard lives, and waits for its end', async () => {
      await using site = await Armed.create(shell)
      await site.arm({ restore: 'sleep 1; cp "$work/a" "$work/b" "$live/"' })
      await site.reached('wait')
      expect(await site.settle()).toBe('rolled-back refused')
      expect(await site.tree()).toBe('old old')
      expect(site.results()).toEqual(['rolled-back'])
    })

    it('needs nothing of the login: the unit at boot has another environment', async () => {
      await using site = await Armed.create(shell)
      await site.arm({
        restore: 'cp "$work/a" "$work/b" "$live/"; printf "%s\\n" "$PATH" "$HOME" >"$live/env"; umask >>"$live/env"',
      })
      await site.reached('wait')
      await site.kill()
      const { stdout } = await boot(shell.command, join(site.work, 'settle.sh'))
      expect(stdout).toBe('')
      expect(await site.tree()).toBe('old old')
      const [path = '', home, umask = ''] = readFileSync(join(site.live, 'env'), 'utf8').trim().split('\n')
      expect(path.split(':')).toEqual(expect.arrayContaining(shell.path.split(':')))
      expect(home).toBe(tmpdir())
      expect(Number.parseInt(umask, 8)).toBe(process.umask())
      expect(site.read('verdict')).toBe('2 rolled-back expired')
    })

    it('does nothing to a change that began while it waited', async () => {
      await using site = await Armed.create(shell)
      await site.arm()
      await site.reached('wait')
      await site.kill()
      const old = readFileSync(join(site.work, 'settle.sh'), 'utf8')
      const headOfOld = readFileSync(join(site.work, 'head.sh'), 'utf8')
      await site.arm({ id: '3' })
      await site.reached('wait')
      writeFileSync(join(site.root, 'head.sh'), headOfOld)
      writeFileSync(join(site.root, 'settle.sh'), old.replaceAll(/^\. .*$/gm, `. "${site.root}/head.sh"`))
      await boot(shell.command, join(site.root, 'settle.sh'))
      expect(site.has('work/open')).toBe(true)
      expect(await site.decide('confirmed')).toMatch(/^decided\n/)
    })
  })

  describe('the ends', () => {
    it('can be repeated', async () => {
      await using site = await Armed.create(shell)
      const run = (name: string) => site.host.run(`/bin/sh "${site.work}/${name}"`)
      await site.arm()
      await site.reached('wait')
      await site.kill()
      renameSync(join(site.work, 'open'), join(site.work, 'confirmed'))
      expect((await run('confirm.sh')).code).toBe(0)
      const confirmed = [await site.tree(), site.ledger()]
      expect((await Promise.all([run('confirm.sh'), run('confirm.sh')])).map(({ code }) => code)).toEqual([0, 0])
      expect([await site.tree(), site.ledger()]).toEqual(confirmed)
      expect(site.results()).toEqual(['deployed'])

      await site.arm({ phases: { switch: 'echo newer >"$live/a"; false' } })
      expect(await site.verdict()).toBe('rolled-back failed')
      expect((await Promise.all([run('restore.sh'), run('restore.sh')])).map(({ code }) => code)).toEqual([0, 0])
      expect((await site.host.run(`/bin/sh "${site.work}/ended.sh" failed rolled-back`)).code).toBe(0)
      expect(await site.tree()).toBe('new new')
      expect(site.results()).toEqual(['deployed', 'rolled-back'])
    })

    it('are one line in the ledger, however often they die behind it', async () => {
      await using site = await Armed.create(shell)
      await site.arm()
      await site.reached('wait')
      await site.kill()
      const pending = site.read('pending.json')
      renameSync(join(site.work, 'open'), join(site.work, 'confirmed'))
      for (const _ of [1, 2, 3]) {
        writeFileSync(join(site.state, 'pending.json'), pending)
        expect((await site.host.run(`/bin/sh "${site.work}/confirm.sh"`)).code).toBe(0)
      }
      expect(site.results()).toEqual(['deployed'])
    })

    it('begin a line of their own behind one that was torn', async () => {
      await using site = await Armed.create(shell)
      appendFileSync(join(site.state, 'ledger.jsonl'), '{"at":"2026-01-01","result":"dep')
      await site.arm({ phases: { switch: 'false' } })
      await site.verdict()
      const [torn, line, ...rest] = site.read('ledger.jsonl').split('\n')
      expect(torn).toBe('{"at":"2026-01-01","result":"dep')
      expect(JSON.parse(line ?? '')).toMatchObject({ result: 'rolled-back', release: '2' })
      expect(rest).toEqual([])
    })

    it('keep all that a person needs when the way back fails', async () => {
      await using site = await Armed.create(shell)
      const restore = '[ -e "$live/repaired" ] || { echo it is locked >&2; exit 1; }; cp "$work/a" "$work/b" "$live/"'
      await site.arm({ restore, phases: { switch: `${makeNew}; false` } }, { ...patient, silenceSeconds: 1 })
      expect(await site.verdict()).toBe('rollback-failed failed')
      expect(site.read('work/log.restore')).toBe('it is locked')
      await until('no process', () => site.processes().length === 0)
      expect(await site.settle()).toBe('rollback-failed failed')
      expect(JSON.parse(site.read('pending.json'))).toMatchObject({ id: '2', previous: '1' })
      expect(site.ledger()).toMatchObject([{ result: 'rollback-failed', code: 'HD-ROLL-01' }])
      // What the message tells them to do.
      expect((await site.host.run(`/bin/sh "${site.work}/restore.sh"`)).code).toBe(1)
      writeFileSync(join(site.live, 'repaired'), '')
      expect((await site.host.run(`/bin/sh "${site.work}/restore.sh"`)).code).toBe(0)
      expect(await site.tree()).toBe('old old')
      rmSync(join(site.state, 'pending.json'))
      // And nothing of it is left in the way of the next change.
      await site.arm()
      await site.reached('wait')
      expect(await site.decide('confirmed')).toBe('decided\nverdict confirmed\n')
      expect(site.results()).toEqual(['rollback-failed', 'deployed'])
    })

    it('leave the new version with rollback: off', async () => {
      await using site = await Armed.create(shell)
      const units = site.withSystemd()
      await site.arm({ rollback: 'off', phases: { switch: makeNew, apply: 'false' } })
      expect(await site.verdict()).toBe('left failed')
      expect(await site.tree()).toBe('new new')
      expect(site.has('pending.json')).toBe(false)
      expect(site.ledger()).toMatchObject([{ result: 'failed', code: 'HD-STEP-01' }])
      expect(readdirSync(units)).toEqual(['default.target.wants'])
    })

    it('are tried again by the next run when a confirmation cannot be written', async () => {
      await using site = await Armed.create(shell)
      const confirm = '[ -e "$live/space" ] || { echo no space; exit 1; }; echo 2 >"$state/current"'
      await site.arm({ confirm }, { ...patient, silenceSeconds: 1 })
      await site.reached('wait')
      await site.kill()
      expect(await site.decide('confirmed')).toBe('decided\n')
      expect(await site.settle()).toBe(undefined)
      expect([site.has('pending.json'), site.has('work/settle.sh'), site.results()]).toEqual([true, true, []])
      writeFileSync(join(site.live, 'space'), '')
      expect(await site.settle()).toBe('confirmed')
      expect([site.has('pending.json'), site.results()]).toEqual([false, ['deployed']])
      expect(await site.tree()).toBe('new new')
    })
  })

  describe('what it leaves', () => {
    it('is no process, but for the daemons that a phase set free', async () => {
      await using site = await Armed.create(shell)
      const apply = `setsid ${slow} </dev/null >/dev/null 2>&1 & ${slow} & kill $!; echo activated`
      await site.arm({ phases: { switch: makeNew, apply } })
      await site.reached('wait')
      await site.decide('confirmed')
      const names = () => site.processes().map(({ argv }) => argv.slice(-2).join(' '))
      await until('one process', () => names().length === 1)
      expect(names()).toEqual([slow])
    })

    it('is no unit for a reboot that is not needed any more', async () => {
      await using site = await Armed.create(shell)
      const units = site.withSystemd()
      await site.arm({ id: '20261121-070405-4f3c2a1' })
      const name = 'homelab-deploy-the-app-s-state-20261121-070405-4f3c2a1.service'
      expect(readFileSync(join(units, name), 'utf8')).toBe(
        [
          '[Unit]',
          'Description=Settles the deploy 20261121-070405-4f3c2a1, which a reboot interrupted',
          'Wants=network-online.target',
          'After=local-fs.target network-online.target docker.service',
          '[Service]',
          'Type=oneshot',
          'KillMode=process',
          `ExecStart=${shell.command.join(' ')} "${site.work}/settle.sh" ${thisBoot()}`,
          '',
        ].join('\n'),
      )
      const link = join(units, 'default.target.wants', name)
      expect(readFileSync(link, 'utf8')).toBe(readFileSync(join(units, name), 'utf8'))
      await site.reached('wait')
      // Started without a reboot, as an activation of NixOS starts all that its targets want.
      await boot(shell.command, join(site.work, 'settle.sh'), thisBoot())
      expect([site.has('work/open'), site.has('pending.json')]).toEqual([true, true])
      await site.decide('confirmed')
      expect(existsSync(link)).toBe(false)
      expect(readdirSync(units)).toEqual(['default.target.wants'])
      expect(readdirSync(join(units, 'default.target.wants'))).toEqual([])
    })

    it('is for its user alone, and what the phases write has the modes of a login', async () => {
      await using site = await Armed.create(shell)
      await site.arm({
        phases: { switch: 'echo x >"$live/made"', apply: 'yes | head -n 1; (yes || echo "$?" >&2) | :' },
      })
      await site.reached('wait')
      expect((await stat(join(site.live, 'made'))).mode & 0o777).toBe(0o666 & ~process.umask())
      for (const name of ['work', 'work/restore.sh', 'work/log.apply', 'pending.json'])
        expect([name, (await stat(join(site.state, name))).mode & 0o077]).toEqual([name, 0])
      // Killed by the closed pipe, as in any login, not told of it to go on for ever.
      expect(site.read('work/log.apply')).toBe('y\n141')
    })

    it('is nothing that began when the snapshot failed', async () => {
      await using site = await Armed.create(shell)
      await expect(site.arm({ snapshot: 'echo no room >&2; false' })).rejects.toThrow('no room')
      expect([site.has('pending.json'), site.has('work/pid'), site.has('work/open')]).toEqual([false, false, false])
    })
  })
})

/** Runs a script as systemd does after a reboot: without anything of a login. */
async function boot([program, ...args]: readonly [string, ...string[]], ...script: string[]) {
  return await run(program, [...args, ...script], { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }, cwd: '/' })
}

const thisBoot = () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
