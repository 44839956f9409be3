import { describe, expect, test } from 'vitest'
import { busyboxHost } from './busybox-host.ts'
import { type LabHost, labHost } from './host.ts'
import type { User } from './image.ts'
import { Service } from './service.ts'

/** The whole story on a real host: real sshd, real systemd, a real service. */
describe.each(['root', 'deploy'] as const)('as %s', (user: User) => {
  test('deploys, notices a broken version, goes back by itself and by hand, and leaves nothing', async () => {
    await using host = await labHost({ name: `story-${user}`, user })
    const app = new Service(host)
    await app.install()

    const first = await app.deploy({ version: 'v1' })
    expect(first.errors, first.maskedLog).toEqual([])
    expect(first.outputs.result).toBe('deployed')
    await app.expectVersion('v1')

    const second = await app.deploy({ version: 'v2' })
    expect(second.outputs).toMatchObject({ result: 'deployed', 'previous-release': first.outputs.release })
    await app.expectVersion('v2')

    const ill = await app.deploy({ version: 'v3x' })
    expect(ill.outputs.result, ill.maskedLog).toBe('rolled-back')
    expect(ill.exitCode).toBe(1)
    expect(ill.errors).toHaveLength(1)
    expect(ill.errors[0]?.message).toContain('HD-HEALTH-01')
    expect(ill.summary).toContain('starting v3x')
    await app.expectVersion('v2')

    const crash = await app.deploy({ version: 'v4', inputs: { activate: 'echo the reason; exit 3' } })
    expect(crash.outputs.result).toBe('rolled-back')
    expect(crash.errors[0]?.message).toMatch(/HD-STEP-01/)
    expect(crash.summary).toContain('the reason')
    await app.expectVersion('v2')

    const back = await app.rollback()
    expect(back.outputs.result, back.maskedLog).toBe('deployed')
    expect(back.outputs.release).toBe(first.outputs.release)
    await app.expectVersion('v1')

    expect((await app.ledger()).map(({ result }) => result)).toEqual([
      'deployed',
      'deployed',
      'rolled-back',
      'rolled-back',
      'deployed',
    ])
    await app.expectNothingLeft(5)
    await expectDataAndOwners(host, app)
  })
})

async function expectDataAndOwners(host: LabHost, app: Service): Promise<void> {
  expect(await host.sh(`stat -c '%U %a' ${app.path}/.env ${app.path}/version`)).toBe(
    `${host.user} 600\n${host.user} 644`,
  )
  expect(await host.sh(`stat -c %a ${app.state}`)).toBe('700')
}

test('the host takes a deploy back by itself when the runner dies', async () => {
  await using host = await labHost({ name: 'alone', user: 'root' })
  const app = new Service(host)
  await app.install()
  await app.deploy({ version: 'v1' })
  await app.start({ version: 'v2' }, (run) => void run.line(/activate ends/).then(() => run.kill('SIGKILL')))
  await expect.poll(() => app.answer(), { timeout: 20_000 }).toBe('v2')
  await app.expectNothingLeft(30)
  await app.expectVersion('v1')
  expect((await app.ledger()).at(-1)).toMatchObject({ result: 'rolled-back', code: 'HD-GUARD-01' })
})

test('a user without sudo deploys into a folder of its own', async () => {
  await using host = await labHost({ name: 'limited', user: 'limited' })
  const app = new Service(host, '/home/limited/app')
  await host.sh('install -d -o limited /home/limited/app')
  const run = await app.deploy({
    version: 'v1',
    inputs: { activate: 'cp version active', health: 'command: cat active => v1' },
  })
  expect(run.outputs.result, run.maskedLog).toBe('deployed')
  expect(await host.sh('cat /home/limited/app/active')).toBe('v1')
  await app.expectNothingLeft(5)
  const refused = await app.deploy({ version: 'v1', inputs: { path: '/srv/other' } })
  expect(refused.errors[0]?.message).toContain('HD-PATH-04')
})

test('a host with nothing but BusyBox: no bash, rsync, git, systemd or SFTP', async () => {
  await using host = await busyboxHost({ name: 'nas', user: 'root' })
  const app = new Service(host, '/volume1/docker/app')
  const inputs = {
    before: '',
    prepare: '',
    after: '',
    activate: 'cp version active',
    health: 'command: cat active => /^v/',
  }
  const state = async () =>
    await host.sh(`cat ${app.path}/version ${app.path}/active; ls -d ${app.path}/only-*; cat ${app.state}/current`)

  const first = await app.deploy({ version: 'v1', inputs })
  expect(first.outputs.result, first.maskedLog).toBe('deployed')
  expect(await state()).toBe(`v1\nv1\n${app.path}/only-v1\n${first.outputs.release}`)
  await host.sh(`mkdir ${app.path}/data; echo rows >${app.path}/data/db`)

  const broken = await app.deploy({
    version: 'v2',
    inputs: { ...inputs, protect: 'data/', activate: 'cp version active; exit 1' },
  })
  expect(broken.outputs.result, broken.maskedLog).toBe('rolled-back')
  expect(await state()).toBe(`v1\nv1\n${app.path}/only-v1\n${first.outputs.release}`)

  await app.start(
    {
      version: 'v3',
      inputs: { ...inputs, protect: 'data/', activate: 'echo activate begins; cp version active; sleep 60' },
    },
    (run) => void run.line(/activate begins/).then(() => run.kill('SIGKILL')),
  )
  await expect.poll(() => host.sh(`ls ${app.state}`), { timeout: 60_000 }).not.toMatch(/pending|lock|work/)
  expect(await state()).toBe(`v1\nv1\n${app.path}/only-v1\n${first.outputs.release}`)
  expect((await app.ledger()).map(({ result }) => result)).toEqual(['deployed', 'rolled-back', 'rolled-back'])
  expect(await host.sh(`cat ${app.path}/data/db`)).toBe('rows')
  // It looks once a second whether it is still needed.
  await expect.poll(() => host.sh('ps'), { timeout: 5_000 }).not.toMatch(/guard\.sh/)
})
