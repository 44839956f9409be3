import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { signal } from '../helpers/processes.ts'
import type { RunResult } from '../helpers/run-action.ts'
import { writeTree } from '../helpers/tree.ts'
import { HiveApp } from './hive-app.ts'
import { addressOf } from './network.ts'
import { blockOf, recipe } from './recipe.ts'

const page = 'cartographer'
/** Quick to say that something is ill; everything else is as the recipe has it. */
const hurry = { 'health-timeout': '6s', 'health-stable': '1s', 'confirm-timeout': '60s' }
/** The runner is this machine's end of the cable. */
const runnerAddress = addressOf(2)
const impure = { 'colmena-args': '--impure' }
const both = {
  target: '',
  strategy: 'colmena',
  name: 'cartographer',
  'colmena-args': '--impure',
  nodes: '@staging, cartographer-prod',
  ...hurry,
}

/** As the recipe has them, without its configuration file. */
const inputsFor =
  (app: HiveApp, always: Record<string, string> = {}) =>
  (key: string, more: Record<string, string> = {}) => {
    const { target: _, ...given } = recipe(page, { ...app.values(key), target: 'none' }, 1)
    return { ...given, ...both, health: 'http://127.0.0.1:8080/health', ...always, ...more }
  }

function expectEnd(result: RunResult, wanted: string, ...texts: (string | RegExp)[]): string {
  const message = result.errors.map((error) => error.message).join('\n')
  expect(`${result.outputs.result} ${message}`, result.maskedLog).toMatch(new RegExp(`^${wanted} `))
  for (const text of texts) expect(message, result.maskedLog).toMatch(text)
  return message
}

const said = ({ warnings }: RunResult) => warnings.map(({ message }) => message).join('\n')

test.concurrent('staging, and then prod with the very same commit; keys come and go with the system', async () => {
  await using app = await HiveApp.create()
  const { staging, prod } = app
  await writeTree(app.folder, { '.github/homelab-deploy.yml': blockOf(page, 0) })
  const inputs = (target: string, key: string, block = 1) => ({
    ...recipe(page, { ...app.values(key), target }, block),
    ...hurry,
  })

  // Staging first: prod is refused what nobody has seen.
  const one = await app.commit({ label: 'one' })
  expectEnd(await app.run(one, inputs('prod', 'key-1')), 'failed', 'HD-PROMOTE-01', 'never deployed')
  const first = await app.run(one, inputs('staging', 'key-1'))
  expectEnd(first, 'deployed')
  await app.expect(staging, 'one', 'key-1')
  expect(await staging.sh('stat -c "%a %U" /run/keys/env /run/keys/tls.key')).toBe('600 root\n600 cartographer')
  // Who is not root has to be trusted with unsigned store paths.
  expectEnd(await app.run(one, inputs('prod', 'key-1')), 'failed', 'HD-HIVE-07', 'nix.settings.trusted-users')
  await app.trust()
  expectEnd(await app.run(one, inputs('prod', 'key-1')), 'deployed')
  await app.expect(prod, 'one', 'key-1')
  expect((await app.run(one, inputs('staging', 'key-1'))).outputs.result).toBe('unchanged')

  // No secret is in a store: neither the runner's nor a node's.
  const two = await app.commit({ label: 'two' })
  expectEnd(await app.run(two, inputs('prod', 'key-2')), 'failed', 'HD-PROMOTE-01', /It runs \w{12} there/)
  await app.expect(prod, 'one', 'key-1')
  expectEnd(await app.run(two, inputs('staging', 'key-2')), 'deployed')
  await app.expect(staging, 'two', 'key-2')
  for (const host of app.hosts) expect(await host.sh('grep -rl "key-[12]" /nix/store || :')).toBe('')
  expect(app.nix.secretsInStore('key-[1-9]')).toEqual([])

  // An ill one is taken back, with the keys that it came with.
  const three = await app.commit({ label: 'three', ill: 'staging' })
  expectEnd(await app.run(three, inputs('staging', 'key-3')), 'rolled-back', 'HD-HEALTH-01')
  await app.expect(staging, 'two', 'key-2')
  expect(await staging.sh('cat /run/keys/tls.key; stat -c %U /run/keys/tls.key')).toContain('key-2')

  // Keys are in memory: after a reboot they are uploaded again, and nothing else.
  await staging.sh('mount -t tmpfs tmpfs /run/keys 2>/dev/null || :')
  await staging.reboot()
  expect(await staging.sh('ls /run/keys 2>/dev/null; true')).toBe('')
  expectEnd(await app.run(two, inputs('staging', 'key-2', 2)), 'deployed')
  await app.expect(staging, 'two', 'key-2')

  // By hand, without colmena and without a checkout: the system and its keys.
  const back = { ...recipe(page, { ...app.values(''), CARTOGRAPHER_HOST: staging.target, to: '' }, 3), ...hurry }
  expectEnd(await app.run('', back, { path: [], workspace: app.nix.folder }), 'deployed')
  await app.expect(staging, 'one', 'key-1')
})

test.concurrent('two nodes are one deploy, and what selects none is an error', async () => {
  await using app = await HiveApp.create()
  const { staging, prod } = app
  await app.trust()
  const inputs = inputsFor(app)
  const one = await app.commit({ label: 'one' })
  const typo = await app.run(one, inputs('key-1', { nodes: 'cartographer-stagin' }))
  expectEnd(typo, 'failed', 'HD-HIVE-01', 'cartographer-prod, cartographer-staging')
  expect(typo.maskedLog).not.toContain('Connect to')
  const broken = await app.commit({ label: 'one', files: { 'cartographer.nix': 'throw "half a hive"' } })
  expectEnd(await app.run(broken, inputs('key-1')), 'failed', 'HD-HIVE-02', 'half a hive')
  const elsewhere = await app.run(await app.commit({ label: 'one', system: 'aarch64-linux' }), inputs('key-1'))
  expectEnd(elsewhere, 'failed', 'HD-HIVE-04', 'aarch64-linux')
  const again = await app.commit({ label: 'one' })
  expectEnd(await app.run(again, inputs('key-1')), 'deployed')
  await app.expect(staging, 'one', 'key-1')
  await app.expect(prod, 'one', 'key-1')

  // Looked at, it is built on the runner, and no node changes.
  const store = await staging.sh('ls /nix/store')
  const ahead = await app.run(await app.commit({ label: 'two' }), inputs('key-2', { mode: 'plan' }))
  expectEnd(ahead, 'planned')
  expect(await staging.sh('ls /nix/store')).toBe(store)
  expect(ahead.summary).toContain('another system: nixos-system-cartographer-staging-two')
  expectEnd(await app.run(again, inputs('key-1', { mode: 'status' })), 'healthy')
  await staging.sh('rm /run/keys/env')
  const drifted = await app.run(again, inputs('key-1', { mode: 'status' }))
  expect(said(drifted), drifted.maskedLog).toContain('/run/keys/env is missing')
  expectEnd(await app.run(again, inputs('key-1', { mode: 'upload-keys' })), 'deployed')

  // The second is ill: both go back, with their keys.
  const two = await app.run(await app.commit({ label: 'two', ill: 'prod' }), inputs('key-2'))
  expectEnd(two, 'rolled-back', 'HD-HEALTH-01', prod.address)
  await app.expect(staging, 'one', 'key-1')
  await app.expect(prod, 'one', 'key-1')

  // One that is dead is found before the other is touched.
  await prod.kill()
  const dead = await app.run(await app.commit({ label: 'three' }), inputs('key-3', { 'connect-timeout': '2s' }))
  expectEnd(dead, 'failed', /HD-NET/)
  await app.expect(staging, 'one', 'key-1')
  await prod.boot()

  // Main is killed while keys are uploaded: both keys and systems are those of before.
  const run = app.start(await app.commit({ label: 'four' }), inputs('key-4', { nodes: 'cartographer-staging' }))
  await run.line(/^::group::Upload keys/)
  signal(run.pid as number, 'SIGKILL')
  const killed = await run.finished
  // Post knows the nodes, though it evaluates nothing.
  expect(killed.maskedLog).toMatch(/Post: root@\S+: \S+ was rolled-back/)
  await app.expect(staging, 'one', 'key-1')
  await app.expectNoSecrets()

  // A key that is not on the runner cannot be uploaded.
  const lost = { nodes: 'cartographer-staging', 'secret-files': '' }
  expectEnd(await app.run(await app.commit({ label: 'five' }), inputs('', lost)), 'rolled-back', 'HD-HIVE-06')
  await app.expect(staging, 'one', 'key-1')
})

test.concurrent('whoever wants colmena itself to activate has its order, and our way back', async () => {
  await using app = await HiveApp.create()
  const { staging } = app
  const inputs = inputsFor(app, { nodes: 'cartographer-staging', activation: 'native' })
  const five = await app.run(await app.commit({ label: 'five' }), inputs('key-5'))
  expectEnd(five, 'deployed')
  expect(said(five), five.maskedLog).toContain('activation: native promises less')
  await app.expect(staging, 'five', 'key-5')
  const look = async () => said(await app.run('', inputs('key-5', { mode: 'status' })))
  expect(await look()).toBe('')
  await staging.sh('nix-env -p /nix/var/nix/profiles/system --rollback')
  expect(await look()).toContain('another system would be booted than was deployed')
  await staging.sh('nix-env -p /nix/var/nix/profiles/system --set "$(readlink -f /run/current-system)"')
  const six = await app.run(await app.commit({ label: 'six', ill: 'staging' }), inputs('key-6'))
  expectEnd(six, 'rolled-back', 'HD-HEALTH-01')
  await app.expect(staging, 'five', 'key-5')
  const seven = await app.run(await app.commit({ label: 'seven', exit: '2' }), inputs('key-7'))
  expectEnd(seven, 'rolled-back', 'HD-HIVE-08')
  await app.expect(staging, 'five', 'key-5')

  // The power is cut before anybody could confirm: it boots what colmena has set, and goes back then.
  const cut = app.start(await app.commit({ label: 'eight' }), inputs('key-8', { 'health-stable': '30s' }))
  await cut.line(/^::group::Check health/)
  expect(await staging.sh('readlink -f /boot/default')).toContain('-eight')
  await staging.kill()
  await staging.boot()
  expectEnd(await cut.finished, 'rolled-back')
  await app.expect(staging, 'five', 'key-5')
})

test.concurrent('a hive without a flake, and a way to its nodes through another host', async () => {
  await using app = await HiveApp.create()
  const { staging, prod } = app
  const inputs = inputsFor(app, { nodes: '*-staging', 'colmena-args': '' })

  // Nothing is read from the environment, so that the evaluation may be pure.
  expectEnd(await app.run(await app.commit({ label: 'one', pure: true }), inputs('key-1')), 'deployed')
  await app.expect(staging, 'one', 'key-1')
  const file = { 'colmena-args': '-f hive.nix --nix-option cores 1' }
  expectEnd(await app.run(await app.commit({ label: 'two' }), inputs('key-2', file)), 'deployed')
  await app.expect(staging, 'two', 'key-2')

  // Built by the node itself: what it runs is not in the store of the runner.
  const here = await app.commit({ label: 'three', plain: true, deployment: { buildOnTarget: true } })
  expectEnd(await app.run(here, inputs('key-3', { strategy: 'auto' })), 'deployed')
  await app.expect(staging, 'three', 'key-3')
  const running = await staging.sh('readlink -f /run/current-system')
  expect(existsSync(join(app.nix.store, basename(running)))).toBe(false)

  // The node answers nobody but the jump host.
  await staging.sh(`ip route add blackhole ${runnerAddress}`)
  const four = await app.commit({ label: 'four', deployment: { buildOnTarget: true } })
  expectEnd(await app.run(four, inputs('key-4', { ...impure, 'connect-timeout': '2s' })), 'failed', 'HD-NET')
  const jump = { 'jump-host': prod.target, 'jump-host-key': prod.knownHostsLine }
  expectEnd(await app.run(four, inputs('key-4', { ...impure, ...jump })), 'deployed')
  await app.expect(staging, 'four', 'key-4')

  // The hive says where to go back.
  expectEnd(await app.run(four, inputs('', { ...impure, ...jump, mode: 'rollback' })), 'deployed')
  await app.expect(staging, 'three', 'key-3')
})
