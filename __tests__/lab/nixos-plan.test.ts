import { expect, test } from 'vitest'
import type { PlanRecord, Report } from '../../src/report/report.ts'
import { watched } from './disks.ts'
import { labHost } from './host.ts'
import { NixApp, type Version } from './nix-app.ts'
import { RunnerNix } from './runner-nix.ts'

const added = { 'units/added.service': '[Service]\nExecStart=/bin/sleep 1000\n' }

test.concurrent('nixos-rebuild: what a plan tells of a system that is not built, and the store of the host is as it was', async () => {
  await using host = await labHost({ name: 'plan-nixos', user: 'deploy', layers: ['nix'] })
  await using app = await NixApp.create(host)
  await using runner = await RunnerNix.create({ colmena: false })
  await app.install()
  const inputs = { ...app.inputs, health: 'http://127.0.0.1:10000/health' }
  const run = async (sha: string, more: Record<string, string>) =>
    await app.run(sha, { ...inputs, ...more }, { path: [runner.bin] })
  const plan = async (sha: string, more: Record<string, string> = {}): Promise<PlanRecord & { log: string }> => {
    const { report, maskedLog } = await watched(host, () => run(sha, { ...more, mode: 'plan' }))
    const [record] = (report as Report).plan ?? []
    if (record === undefined) throw new Error(maskedLog)
    return { ...record, log: maskedLog }
  }
  const deploy = async (version: Version) => {
    const sha = await app.commit(version)
    const { outputs, maskedLog } = await run(sha, {})
    expect(outputs.result, maskedLog).toBe('deployed')
    return sha
  }
  const one = await deploy({ version: 'v1', system: 's1' })
  const first = await host.sh('readlink -f /run/current-system')

  // Nothing is new: that is known, wherever it is built.
  const onRunner = { 'build-on': 'runner' }
  const same = await plan(one)
  expect([same.unchanged, same.does], same.log).toEqual([true, []])
  const alike = await plan(one, onRunner)
  expect(alike.does, alike.log).toEqual([])
  // Other code, and the same system.
  const code = await plan(await app.commit({ version: 'v2', system: 's1' }))
  expect([code.changes?.changed, code.does], code.log).toEqual([['nakamura-misaki/VERSION'], []])

  // On the host it is evaluated, which tells what would be built; the units by their names.
  const two = await app.commit({ version: 'v2', system: 's2', files: added })
  const ahead = await plan(two)
  expect(ahead.obstacles, ahead.log).toEqual([])
  expect(ahead.does, ahead.log).toEqual([
    '~ another system: nixos-system-home-lab-01-s2',
    '~ unit added.service is built anew',
    '~ unit nakamura-misaki-api.service is built anew',
    expect.stringMatching(/^~ to be built: .*system-units/),
  ])
  expect(ahead.interrupts).toEqual(['nakamura-misaki-api is restarted'])

  // On the runner it is built, which tells what becomes of each unit.
  const built = await plan(two, onRunner)
  expect(built.does, built.log).toEqual(['~ another system: nixos-system-home-lab-01-s2', '+ unit added.service'])
  expect(built.interrupts).toEqual(['nakamura-misaki-api.service is restarted', 'nakamura-misaki-api is restarted'])

  // What would end a deploy is in the way here as well.
  const broken = await app.commit({ version: 'v3', files: { 'nixos/flake.nix': '{ outputs = _: nonsense; }' } })
  for (const more of [{}, onRunner]) {
    const stopped = await plan(broken, more)
    expect(stopped.obstacles, stopped.log).toMatchObject([
      { code: 'HD-NIX-02', why: expect.stringContaining('nonsense') },
    ])
  }
  const stale = { 'nixos/flake.nix': '{ inputs.x = { url = "path:/etc/nix"; flake = false; }; outputs = _: {}; }' }
  const lock = await plan(await app.commit({ version: 'v4', files: stale }))
  expect(lock.obstacles, lock.log).toMatchObject([{ code: 'HD-NIX-01', what: expect.stringContaining('flake.lock') }])

  // A system that is in the store, by whoever may become root and by whoever may not.
  const three = await deploy({ version: 'v2', system: 's2', files: added })
  const back = await plan(three, { flake: first })
  expect(back.does, back.log).toEqual(['~ another system: nixos-system-home-lab-01-s1'])
  expect(back.interrupts).toEqual([
    ...['added.service is stopped', 'nakamura-misaki-api.service is restarted', 'nakamura-misaki-api is restarted'],
  ])
  const limited = { host: `limited@${host.address}`, path: '/home/limited/lab-project' }
  const little = await plan(three, { ...limited, flake: first })
  expect(little.does, little.log).toEqual(['~ another system: nixos-system-home-lab-01-s1'])
  const unknown = await plan(await app.commit({ version: 'v5', system: 's5' }), limited)
  expect(unknown.obstacles.map(({ code }) => code)).toEqual(['HD-SUDO-01'])
  expect(unknown.does, unknown.log).toEqual([expect.stringMatching(/known once it is built.*build-on: runner/)])
})
