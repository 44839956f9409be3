import { chownSync } from 'node:fs'
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import {
  deploy,
  expectError,
  expectResult,
  expectSettled,
  forgetLease,
  liveTree,
  starting,
  stateOf,
} from '../helpers/story.ts'

it.concurrent('a second run waits for the first, says for whom, and then goes its way', async () => {
  await using host = await startHost()
  await using first = await starting(host, {
    source: { v: 'one\n' },
    inputs: { activate: 'echo activating; sleep 7' },
    runId: '1001',
  })
  await first.line(/activating/)
  const second = await deploy(host, { source: { v: 'two\n' }, runId: '1002' })
  expectResult(await first.finished, 'deployed')
  expectResult(second, 'deployed')
  expect(second.maskedLog).toMatch(
    /Waiting for the lock: held by https:\/\/github\.com\/acme\/shop\/actions\/runs\/1001/,
  )
  expect(await liveTree(host)).toEqual({ v: 'two\n' })
  await expectSettled(host)
})

it.concurrent('a wait that is over names the holder, and leaves the other run alone', async () => {
  await using host = await startHost()
  await using first = await starting(host, {
    source: { v: 'one\n' },
    inputs: { activate: 'echo activating; sleep 5' },
    runId: '1001',
  })
  await first.line(/activating/)
  const second = await deploy(host, { source: { v: 'two\n' }, inputs: { 'lock-timeout': '1s' }, runId: '1002' })
  expectError(second, 'HD-LOCK-01', 'actions/runs/1001', 'waited for 1', '`lock-timeout`', `${stateOf(host)}/lock`)
  expect(second.outputs['result']).toBe('failed')
  expectResult(await first.finished, 'deployed')
  expect(await liveTree(host)).toEqual({ v: 'one\n' })
  await expectSettled(host)
})

it.concurrent('another application on the same host is in nobody’s way', async () => {
  await using host = await startHost()
  await using first = await starting(host, { inputs: { activate: 'echo activating; sleep 4' } })
  await first.line(/activating/)
  const other = await deploy(host, { inputs: { name: 'blog', path: '~/blog', 'lock-timeout': '0s' } })
  expectResult(other, 'deployed')
  expectResult(await first.finished, 'deployed')
})

it.concurrent('a lock that a killed runner left behind is taken over', async () => {
  await using host = await startHost()
  expectResult(await deploy(host, { source: { v: 'one\n' } }), 'deployed')
  const inputs = { before: 'echo waiting; sleep 60' }
  const died = await deploy(host, { source: { v: 'two\n' }, inputs, killWhen: /waiting/ })
  expect(died.signal).toBe('SIGKILL')
  const next = await deploy(host, { source: { v: 'three\n' }, inputs: { 'lock-timeout': '10s' } })
  expectResult(next, 'deployed')
  expect(await liveTree(host)).toEqual({ v: 'three\n' })
})

it.concurrent('a lock whose host went away in the middle is taken over once its lease is old', async () => {
  await using host = await startHost()
  expectResult(await deploy(host, { source: { v: 'one\n' } }), 'deployed')
  await host.write({
    '.local/state/homelab-deploy/shop/lock/lease': '',
    '.local/state/homelab-deploy/shop/lock/token': 'x\n',
  })
  expectError(await deploy(host, { source: { v: 'two\n' }, inputs: { 'lock-timeout': '0s' } }), 'HD-LOCK-01')
  await forgetLease(host)
  const next = await deploy(host, { source: { v: 'two\n' }, inputs: { 'lock-timeout': '0s' } })
  expectResult(next, 'deployed')
  expect(next.maskedLog).toContain('left behind by a run that died')
})

it.concurrent('a lock that somebody took by hand is respected', async () => {
  await using host = await startHost()
  expectResult(await deploy(host), 'deployed')
  const lock = join(stateOf(host), 'lock')
  await mkdir(lock)
  if (host.owner) chownSync(lock, host.owner.uid, host.owner.gid)
  const result = await deploy(host, { source: { v: 'two\n' }, inputs: { 'lock-timeout': '0s' } })
  expectError(result, 'HD-LOCK-01', 'somebody who left no name', `remove ${lock}`)
  await writeFile(join(lock, 'owner.json'), JSON.stringify({ run: '', actor: 'alice', revision: '', since: 'noon' }))
  expectError(
    await deploy(host, { source: { v: 'two\n' }, inputs: { 'lock-timeout': '0s' } }),
    'HD-LOCK-01',
    'Held by alice (since noon)',
  )
})

it.concurrent('of several that start at once, all are deployed, one after the other', async () => {
  await using host = await startHost()
  const texts = ['a', 'b', 'c']
  const results = await Promise.all(
    texts.map((text) =>
      deploy(host, { source: { v: text }, sha: text.repeat(40), inputs: { activate: 'cat v >>"$HOME/order"' } }),
    ),
  )
  for (const result of results) expectResult(result, 'deployed')
  expect(texts).toContain((await liveTree(host))['v'])
  await expectSettled(host)
})

it.concurrent('while somebody holds it for maintenance nothing is deployed, nor rolled back, and it says why', async () => {
  await using host = await startHost()
  expectResult(await deploy(host, { source: { v: 'one\n' } }), 'deployed')
  const file = join(stateOf(host), 'maintenance')
  // Nothing in the reason is taken for a word of the host's answer.
  await writeFile(file, 'the disk of the NAS\ntaken\nis replaced\u0007\n')
  const longAgo = new Date('2026-01-02T03:04:05Z')
  await utimes(file, longAgo, longAgo)
  const now = { 'lock-timeout': '0s' }
  const refused = await deploy(host, { source: { v: 'two\n' }, inputs: now })
  const reason = 'for maintenance since 2026-01-02T03:04:05Z: the disk of the NAS taken is replaced'
  expectError(refused, 'HD-LOCK-02', reason, `${stateOf(host)}/rollback release`, `rm ${file}`)
  expectError(await deploy(host, { inputs: { mode: 'rollback', ...now } }), 'HD-LOCK-02', reason)
  expect(await readdir(stateOf(host))).not.toContain('lock')
  expect(await liveTree(host)).toEqual({ v: 'one\n' })

  await using waiting = await starting(host, { source: { v: 'two\n' }, inputs: { 'lock-timeout': '60s' } })
  await waiting.line(new RegExp(`Waiting for the lock: held ${reason}`))
  await rm(file)
  expectResult(await waiting.finished, 'deployed')
  await expectSettled(host)
})

it.concurrent('neither an old lease nor a pending deploy breaks a hold', async () => {
  await using host = await startHost()
  expectResult(await deploy(host, { source: { v: 'one\n' } }), 'deployed')
  await host.write({
    '.local/state/homelab-deploy/shop/lock/lease': '',
    '.local/state/homelab-deploy/shop/lock/token': 'x\n',
    '.local/state/homelab-deploy/shop/maintenance': '',
  })
  await forgetLease(host)
  const refused = await deploy(host, { source: { v: 'two\n' }, inputs: { 'lock-timeout': '0s' } })
  expectError(refused, 'HD-LOCK-02', 'no reason was given')
  expect(await readdir(stateOf(host))).toEqual(expect.arrayContaining(['lock', 'maintenance']))
})
