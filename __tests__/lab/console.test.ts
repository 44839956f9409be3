import { expect, test } from 'vitest'
import { busyboxHost } from './busybox-host.ts'
import { type LabHost, labHost } from './host.ts'
import { Service } from './service.ts'

/** The person at the console of a real host, to whom neither the network nor a runner is of any help. */
const typed = async (host: LabHost, app: Service, ...args: string[]) =>
  await host.try(`cd /; ${app.state}/rollback ${args.join(' ')} 2>&1`, { user: host.user })

test.each(['root', 'deploy'] as const)('a service goes back at the console, without a network, as %s', async (user) => {
  await using host = await labHost({ name: `console-${user}`, user })
  const app = new Service(host)
  await app.install()
  const first = await app.deploy({ version: 'v1' })
  const second = await app.deploy({ version: 'v2' })
  expect(second.outputs.result, second.maskedLog).toBe('deployed')
  await app.expectVersion('v2')

  await host.cutNetwork()
  await host.stopSshd()
  const back = await typed(host, app, 'previous')
  expect(back, back.stdout).toMatchObject({ code: 0 })
  expect(back.stdout).toContain(`${first.outputs.release} runs now.`)
  await app.expectVersion('v1')
  await app.expectNothingLeft(5)
  expect((await app.ledger()).at(-1)).toMatchObject({
    mode: 'rollback',
    result: 'deployed',
    run: 'console',
    actor: user,
  })

  // What does not start is taken back; the guard is systemd's child, not the console's.
  await host.sh(`echo 'exit 1' >>${app.state}/releases/${second.outputs.release}/scripts/activate`)
  const broken = await typed(host, app, second.outputs.release as string)
  expect(broken.code).toBe(1)
  expect(broken.stdout).toContain(`${first.outputs.release} runs as before`)
  await app.expectVersion('v1')
  await app.expectNothingLeft(5)

  await host.restoreNetwork()
  await host.startSshd()
  const third = await app.deploy({ version: 'v3' })
  expect(third.outputs, third.maskedLog).toMatchObject({
    result: 'deployed',
    'previous-release': first.outputs.release,
  })
  await app.expectVersion('v3')
})

test('a reboot in the middle of a rollback at the console ends in the version that ran', async () => {
  await using host = await labHost({ name: 'console-reboot', user: 'root' })
  const app = new Service(host)
  await app.install()
  await app.deploy({ version: 'v1' })
  await app.deploy({ version: 'v2' })
  await host.sh(`(setsid ${app.state}/rollback previous >/tmp/said 2>&1 </dev/null &)`)
  await expect.poll(() => host.sh(`cat ${app.state}/work/phase-now || true`), { timeout: 30_000 }).toBe('apply')
  await host.kill()
  await host.boot()
  await app.expectNothingLeft(60)
  await app.expectVersion('v2')
  expect((await app.ledger()).at(-1)).toMatchObject({ mode: 'rollback', result: 'rolled-back', run: 'console' })
  expect((await typed(host, app, 'previous')).code).toBe(0)
  await app.expectVersion('v1')
})

test('a host with nothing but BusyBox goes back at the console', async () => {
  await using host = await busyboxHost({ name: 'console-nas', user: 'root' })
  const app = new Service(host, '/volume1/docker/app')
  const inputs = {
    before: '',
    prepare: '',
    after: '',
    activate: 'cp version active',
    health: 'command: cat active => /^v/',
  }
  for (const version of ['v1', 'v2']) {
    const run = await app.deploy({ version, inputs })
    expect(run.outputs.result, run.maskedLog).toBe('deployed')
  }
  expect((await typed(host, app)).stdout).toMatch(/<- runs now\n.*\n?$/)
  await host.cutNetwork()
  const back = await typed(host, app, 'previous')
  expect(back, back.stdout).toMatchObject({ code: 0 })
  expect(await host.sh(`cat ${app.path}/version ${app.path}/active`)).toBe('v1\nv1')
  expect((await app.ledger()).at(-1)).toMatchObject({ mode: 'rollback', result: 'deployed' })
  const left = () => host.sh(`ls ${app.state}; ps`)
  await expect.poll(left, { timeout: 15_000 }).not.toMatch(/lock|work|pending|console|guard\.sh|rollback previous/)
})
