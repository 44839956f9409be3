import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Report } from '../../src/report/report.ts'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { runAction } from '../helpers/run-action.ts'
import { deploy, expectError, expectResult, expectSettled, inputsFor, ledger, liveTree } from '../helpers/story.ts'

/** Three hosts in one run: prepared together, changed one after the other, and confirmed or taken back as one. */
let hosts: EmbeddedHost[] = []
const [canary, second, third] = [0, 1, 2].map((n) => () => hosts[n] as EmbeddedHost) as [Of, Of, Of]
type Of = () => EmbeddedHost

beforeEach(async () => {
  const first = await startHost()
  const authorizedKeys = [first.clientKey.public]
  hosts = [first, ...(await Promise.all([startHost({ authorizedKeys }), startHost({ authorizedKeys })]))]
  expectResult(await deployAll({ v: 'one\n' }), 'deployed')
})
afterEach(async () => {
  for (const host of hosts) await host[Symbol.asyncDispose]()
})

/** Says when it is activated, in the order of all hosts; a file `ill` on a host makes it fail there. */
const activate = 'date +%s%N >"$HOME/activated"; [ ! -e "$HOME/ill" ] || [ "$(cat v)" != two ]'
const everywhere = () => ({
  host: hosts.map(({ target }) => target).join('\n'),
  'host-key': hosts.map(({ knownHostsLine }) => knownHostsLine).join('\n'),
  activate,
})

async function deployAll(source: Record<string, string>, more: Record<string, string> = {}) {
  return await deploy(canary(), { source, inputs: { ...everywhere(), ...more }, sha: more['sha'] ?? 'a'.repeat(40) })
}
const versions = async () => await Promise.all(hosts.map(async (host) => (await liveTree(host))['v']))
const results = async () =>
  await Promise.all(hosts.map(async (host) => (await ledger(host)).map(({ result }) => result)))
const reported = (result: { report: unknown }) =>
  (result.report as Report).machines?.map(({ result, changed }) => [result, changed])
const settled = async () => {
  for (const host of hosts) await expectSettled(host)
}

it('deploys to one after the other, in the order given', async () => {
  const result = await deployAll({ v: 'two\n' })
  expectResult(result, 'deployed')
  expect(await versions()).toEqual(['two\n', 'two\n', 'two\n'])
  const times = await Promise.all(
    hosts.map(async ({ home }) => Number(await readFile(join(home, 'activated'), 'utf8'))),
  )
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  expect(reported(result)).toEqual([
    ['deployed', true],
    ['deployed', true],
    ['deployed', true],
  ])
  for (const { target } of hosts) expect(result.summary).toContain(target.replace(/^ssh:\/\//, ''))
  await settled()
})

it('takes all of them back when one of them fails', async () => {
  await third().write({ ill: '' })
  const result = await deployAll({ v: 'two\n' })
  expectResult(result, 'rolled-back')
  expectError(result, 'HD-STEP-01', third().target)
  expect(await versions()).toEqual(['one\n', 'one\n', 'one\n'])
  expect(await results()).toEqual([
    ['deployed', 'rolled-back'],
    ['deployed', 'rolled-back'],
    ['deployed', 'rolled-back'],
  ])
  await settled()
})

it('never touches the others when the canary fails', async () => {
  await canary().write({ ill: '' })
  const result = await deployAll({ v: 'two\n' })
  expectResult(result, 'rolled-back')
  expect(await versions()).toEqual(['one\n', 'one\n', 'one\n'])
  expect(await results()).toEqual([
    ['deployed', 'rolled-back'],
    ['deployed', 'failed'],
    ['deployed', 'failed'],
  ])
  expect(reported(result)).toEqual([
    ['rolled-back', false],
    ['failed', false],
    ['failed', false],
  ])
  await settled()
})

it('takes the canary back when a later one is not healthy', async () => {
  await second().write({ ill: '' })
  const health = 'command: test ! -e "$HOME/ill" || test "$(cat v)" = one'
  const inputs = { activate: 'true', health, 'health-timeout': '2s', 'health-stable': '0s' }
  const result = await deployAll({ v: 'two\n' }, inputs)
  expectResult(result, 'rolled-back')
  expectError(result, 'HD-HEALTH-01', second().target)
  expect(await versions()).toEqual(['one\n', 'one\n', 'one\n'])
  await settled()
})

it('leaves alone those that run it already', async () => {
  const one = { host: second().target, 'host-key': second().knownHostsLine }
  expectResult(await deployAll({ v: 'two\n' }, one), 'deployed')
  const result = await deployAll({ v: 'two\n' })
  expectResult(result, 'deployed')
  expect(await results()).toEqual([
    ['deployed', 'deployed'],
    ['deployed', 'deployed', 'unchanged'],
    ['deployed', 'deployed'],
  ])
  expect(reported(result)?.[1]).toEqual(['unchanged', false])
  expectResult(await deployAll({ v: 'two\n' }), 'unchanged')
  await settled()
})

it('goes back on all of them', async () => {
  expectResult(await deployAll({ v: 'two\n' }), 'deployed')
  const given = inputsFor(canary(), { path: undefined, strategy: undefined, activate: undefined })
  const { host, 'host-key': key } = everywhere()
  expectResult(await runAction({ inputs: { ...given, host, 'host-key': key, mode: 'rollback' } }), 'deployed')
  expect(await versions()).toEqual(['one\n', 'one\n', 'one\n'])
  await settled()
})

it('that cannot be reached is found before any of them is touched', async () => {
  third().refuse()
  const result = await deployAll({ v: 'two\n' }, { 'connect-timeout': '1s' })
  expectError(result, 'HD-NET-03', String(third().port))
  expect(await results()).toEqual([['deployed'], ['deployed'], ['deployed']])
  await settled()
})
