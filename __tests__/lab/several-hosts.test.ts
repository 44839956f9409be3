import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ActionRun, type RunResult, startAction } from '../helpers/run-action.ts'
import { labHost } from './host.ts'
import { authorizedKeysFile } from './image.ts'
import { Service } from './service.ts'

/** Three real hosts in one run. Whatever becomes of one of them, or of the runner, all end in the same version. */
let apps: [Service, Service, Service]

beforeEach(async () => {
  const hosts = await Promise.all([labHost({ user: 'root' }), labHost({ user: 'deploy' }), labHost({ user: 'root' })])
  const key = hosts[0].clientKey.public
  apps = hosts.map((host) => new Service(host)) as typeof apps
  for (const app of apps) {
    await app.host.sh(`echo '${key}' >>${authorizedKeysFile}`)
    await app.install()
  }
  const first = await deploy('v1')
  expect(first.outputs.result, first.maskedLog).toBe('deployed')
})
afterEach(async () => {
  for (const { host } of apps) await host[Symbol.asyncDispose]()
})

/** Each says on which host it is activated; `during` can wait for a line of it. */
async function deploy(version: string, during?: (run: ActionRun) => void): Promise<RunResult> {
  const hosts = apps.map(({ host }) => host)
  await using request = await apps[0].request({
    version,
    inputs: {
      host: hosts.map(({ user, address }) => `${user}@${address}`).join('\n'),
      'host-key': hosts.map(({ knownHostsLine }) => knownHostsLine).join('\n'),
      activate:
        'echo "activating on $(hostname)"; sleep 2; if [ "$(id -u)" = 0 ]; then systemctl restart app; else sudo -n systemctl restart app; fi',
      'confirm-timeout': '10s',
      'health-timeout': '8s',
      'health-stable': '0s',
    },
  })
  const run = startAction({ ...request, timeoutMs: 300_000 })
  during?.(run)
  return await run.finished
}

const activating = ({ host }: Service) => new RegExp(`activating on ${host.name}$`)

async function expectAll(version: string): Promise<void> {
  for (const app of apps) {
    await app.expectNothingLeft(120)
    await app.expectVersion(version)
  }
}
const results = async () =>
  await Promise.all(apps.map(async (app) => (await app.ledger()).map(({ result }) => result).slice(1)))

test('the runner dies while the second is activated: the one that waited goes back as well', async () => {
  const run = await deploy('v2', (action) => void action.line(activating(apps[1])).then(() => action.kill('SIGKILL')))
  expect(run.signal).toBe('SIGKILL')
  await expectAll('v1')
  // The third had not begun.
  expect(await results()).toEqual([['rolled-back'], ['rolled-back'], []])
})

test('one is cut off in its turn, comes back, and all of them have gone back', async () => {
  let mended: Promise<void> | undefined
  const run = await deploy('v2', (action) => {
    mended = action.line(activating(apps[1])).then(async () => {
      await apps[1].host.cutNetwork('both')
      await new Promise((resolve) => setTimeout(resolve, 45_000))
      await apps[1].host.restoreNetwork()
    })
  })
  await mended
  expect(run.outputs.result, run.maskedLog).toBe('rolled-back')
  expect(run.errors).toHaveLength(1)
  await expectAll('v1')
})

test('the first reboots while it waits for the others: nobody is confirmed', async () => {
  let rebooted: Promise<void> | undefined
  const run = await deploy('v2', (action) => {
    rebooted = action.line(activating(apps[2])).then(() => apps[0].host.reboot())
  })
  await rebooted
  expect(run.outputs.result, run.maskedLog).toBe('rolled-back')
  expect(run.errors).toHaveLength(1)
  await expectAll('v1')
  expect(await results()).toEqual([['rolled-back'], ['rolled-back'], ['rolled-back']])
})

test('the first goes away for a moment before all are confirmed, and they are when it is back', async () => {
  let mended: Promise<void> | undefined
  const run = await deploy('v2', (action) => {
    mended = action.line(/^::group::See that all are there/).then(async () => {
      await apps[0].host.cutNetwork('both')
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      await apps[0].host.restoreNetwork()
    })
  })
  await mended
  expect(run.outputs.result, run.maskedLog).toBe('deployed')
  await expectAll('v2')
})
