import { expect, test } from 'vitest'
import { signal } from '../helpers/processes.ts'
import type { RunResult } from '../helpers/run-action.ts'
import { writeTree } from '../helpers/tree.ts'
import { HiveApp } from './hive-app.ts'
import { blockOf, recipe } from './recipe.ts'

const page = 'cartographer'
/** Quick to say that something is ill; everything else is as the recipe has it. */
const hurry = { 'health-timeout': '6s', 'health-stable': '1s', 'confirm-timeout': '60s' }
const both = {
  target: '',
  strategy: 'colmena',
  name: 'cartographer',
  'colmena-args': '--impure',
  nodes: '@staging, cartographer-prod',
  ...hurry,
}

function expectEnd(result: RunResult, wanted: string, ...texts: (string | RegExp)[]): string {
  const message = result.errors.map((error) => error.message).join('\n')
  expect(`${result.outputs.result} ${message}`, result.maskedLog).toMatch(new RegExp(`^${wanted} `))
  for (const text of texts) expect(message, result.maskedLog).toMatch(text)
  return message
}

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
  expect(app.nix.secretsInStore('key-')).toEqual([])

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
  const inputs = (key: string, more: Record<string, string> = {}) => {
    const { target: _, ...given } = recipe(page, { ...app.values(key), target: 'none' }, 1)
    return { ...given, ...both, health: 'http://127.0.0.1:8080/health', ...more }
  }
  const one = await app.commit({ label: 'one' })
  const typo = await app.run(one, inputs('key-1', { nodes: 'cartographer-stagin' }))
  expectEnd(typo, 'failed', 'HD-HIVE-01', 'cartographer-prod, cartographer-staging')
  expect(typo.maskedLog).not.toContain('Connect to')
  const elsewhere = await app.run(await app.commit({ label: 'one', system: 'aarch64-linux' }), inputs('key-1'))
  expectEnd(elsewhere, 'failed', 'HD-HIVE-04', 'aarch64-linux')
  const again = await app.commit({ label: 'one' })
  expectEnd(await app.run(again, inputs('key-1')), 'deployed')
  await app.expect(staging, 'one', 'key-1')
  await app.expect(prod, 'one', 'key-1')

  // Looked at, nothing is built, and no node changes.
  const ahead = await app.run(await app.commit({ label: 'two' }), inputs('key-2', { mode: 'plan' }))
  expectEnd(ahead, 'planned')
  expect(ahead.summary).toContain('the system becomes nixos-system-cartographer-staging-two')
  expectEnd(await app.run(again, inputs('key-1', { mode: 'status' })), 'healthy')
  await staging.sh('rm /run/keys/env')
  const drifted = await app.run(again, inputs('key-1', { mode: 'status' }))
  expect(drifted.warnings.map(({ message }) => message).join(), drifted.maskedLog).toContain('/run/keys/env is missing')
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

  // Whoever wants colmena itself to activate has its order, and our way back.
  const native = { nodes: 'cartographer-staging', activation: 'native' }
  expectEnd(await app.run(await app.commit({ label: 'five' }), inputs('key-5', native)), 'deployed')
  await app.expect(staging, 'five', 'key-5')
  const six = await app.run(await app.commit({ label: 'six', ill: 'staging' }), inputs('key-6', native))
  expectEnd(six, 'rolled-back', 'HD-HEALTH-01')
  await app.expect(staging, 'five', 'key-5')
  const seven = await app.run(await app.commit({ label: 'seven', exit: '2' }), inputs('key-7', native))
  expectEnd(seven, 'rolled-back', 'HD-HIVE-08')
  await app.expect(staging, 'five', 'key-5')

  // A key that is not on the runner cannot be uploaded.
  const lost = { nodes: 'cartographer-staging', 'secret-files': '' }
  expectEnd(await app.run(await app.commit({ label: 'eight' }), inputs('', lost)), 'rolled-back', 'HD-HIVE-06')
  await app.expect(staging, 'five', 'key-5')
})
