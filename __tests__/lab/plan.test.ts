import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Report } from '../../src/report/report.ts'
import { type RunResult, runAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { type Tree, writeTree } from '../helpers/tree.ts'
import { busyboxHost } from './busybox-host.ts'
import { until } from './command.ts'
import { bot, ComposeBot, engineHost, said } from './compose-bot.ts'
import { watched } from './disks.ts'
import { labHost } from './host.ts'
import { recipe } from './recipe.ts'
import { Registry } from './registry.ts'
import { UvApp } from './uv-app.ts'
import { workspaceFiles } from './uv-layer.ts'

let registry: Registry
beforeAll(async () => {
  registry = await Registry.start()
}, 60_000)
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]()
})

/** What a run found. */
const seen = (result: RunResult) => {
  const { plan, status } = result.report as Report
  return { ...result, plan: plan?.[0], status: status?.[0] }
}

test.concurrent('uv: what stops a deploy, what it would do, what runs; and the host is as it was', async () => {
  await using host = await labHost({ name: 'plan-uv', user: 'limited', layers: ['uv'] })
  await using app = await UvApp.create(host)
  await app.commit({ version: 'v0' })
  await app.cloneOnHost()
  // Until it has started Python writes beside its code.
  await until('v0 to answer', async () => typeof (await app.answer()) === 'object', 20_000, 200)
  const unit = 'deploy/egograph-backend.service'
  const inputs = { ...recipe('egograph', app.values), 'health-timeout': '7s', 'health-stable': '1s' }
  const plan = async (sha: string, more: Record<string, string> = {}) =>
    seen(await app.run(sha, { ...inputs, ...more, mode: 'plan' }))

  const one = await app.commit({ version: 'v1' })
  const wrong = { services: 'egograph-backend\nnowhere', 'unit-files': 'deploy/none.service' }
  const stopped = await watched(host, () => plan(one, wrong))
  expect(stopped.outputs.result, stopped.maskedLog).toBe('failed')
  expect(stopped.plan?.obstacles.map(({ code, what }) => `${code} ${what}`)).toEqual([
    expect.stringMatching(/HD-SUDO-01/),
    expect.stringMatching(/HD-UNIT-01 .*no unit nowhere/),
    expect.stringMatching(/HD-UNIT-01 .*deploy\/none\.service is not in the source/),
  ])
  // What was printed is enough, with the units besides that are not there.
  const sudoers = /^limited ALL=.*\n(?: {2}.*\n)*/m.exec(`${stopped.plan?.obstacles[0]?.fix}\n`)?.[0] ?? ''
  await host.sh('cat >/etc/sudoers.d/egograph; chmod 440 /etc/sudoers.d/egograph; visudo -c', { input: sudoers })
  const first = await app.run(one, inputs)
  expect(first.outputs.result, first.maskedLog).toBe('deployed')
  expect((await plan(one)).plan?.unchanged).toBe(true)

  const text = (workspaceFiles()[unit] ?? '').replace('[Service]', '[Service]\nEnvironment=GREETING=hello')
  const two = await app.commit({ version: 'v2', signed: true, files: { [unit]: text } })
  const next = await watched(host, () => plan(two, { 'env-file': 'GREETING=hi', 'env-path': 'backend/.env' }))
  expect(next.outputs.result, next.maskedLog).toBe('planned')
  expect(next.plan).toMatchObject({
    changes: { changed: expect.arrayContaining(['VERSION', 'backend/pyproject.toml', 'uv.lock', unit]) },
    commits: [{ revision: two, subject: 'v2' }],
    env: { added: ['GREETING'], removed: [] },
    interrupts: ['egograph-backend is restarted'],
    past: [{ result: 'deployed', activateMs: expect.any(Number) }],
  })
  expect(next.plan?.does).toContainEqual(expect.stringMatching(/^\+ itsdangerous \d/))

  const status = async (more: Record<string, string> = {}) =>
    seen(await app.run('', { ...recipe('egograph', app.values, 1), mode: 'status', ...more }))
  const well = await watched(host, status)
  expect(well.outputs, well.maskedLog).toMatchObject({ result: 'healthy', revision: one })
  expect(well.status).toMatchObject({ release: { revision: one }, drift: [] })
  expect(well.status?.running.join()).toMatch(/egograph-backend active since/)

  await host.sh(`cd ${app.path}; echo '# by hand' >>VERSION; mv .venv /tmp/; systemctl stop egograph-backend`)
  const ill = await status({ 'health-timeout': '2s' })
  expect(ill.outputs.result, ill.maskedLog).toBe('unhealthy')
  expect(ill.errors[0]?.message).toMatch(/HD-STATUS-01/)
  expect(ill.status?.drift.map(({ text }) => text)).toEqual(['VERSION was changed', '.venv is not there'])
})

test.concurrent('compose: services, keys, images and tags that have moved; a container changed by hand', async () => {
  await using host = await engineHost('plan-compose', registry)
  const app = new ComposeBot(host, registry)
  await registry.push('bot:latest', bot('v1'))
  const look = async (compose: string, more: Record<string, string> = {}) =>
    seen(await app.deploy({ compose, inputs: { mode: 'plan', ...more } }))

  const fresh = await look(app.compose())
  expect(fresh.outputs.result, said(fresh)).toBe('planned')
  expect(fresh.plan?.does).toEqual([`+ service bot: ${registry.name}/bot:latest`])
  const missing = await look(app.compose().replace('BOT_TOKEN', 'NO_SUCH_TOKEN'))
  expect(missing.plan?.obstacles.map(({ code }) => code)).toEqual(['HD-COMPOSE-02'])
  const first = await app.deploy()
  expect(first.outputs.result, said(first)).toBe('deployed')
  const same = await look(app.compose())
  expect([same.plan?.unchanged, same.plan?.does], said(same)).toEqual([true, []])

  await registry.push('bot:latest', bot('v2'))
  const other = app.compose('    hostname: changed\n  side:\n    image: bot:none\n')
  const next = await watched(host, () => look(other, { 'env-file': 'BOT_TOKEN=another-token\nMORE=1' }))
  expect(next.outputs.result, said(next)).toBe('planned')
  expect(next.plan).toMatchObject({
    env: { added: ['MORE'], removed: [] },
    interrupts: ['bot is recreated'],
    does: [
      expect.stringContaining('+ service side'),
      '~ service bot: hostname',
      expect.stringMatching(/bot would run another image: .*bot:latest has moved/),
    ],
  })
  expect(JSON.stringify(next.report) + said(next)).not.toMatch(/another-token|the-token-of-the-bot/)

  const status = async () => seen(await app.rollback({ mode: 'status', 'health-timeout': '4s' }))
  const well = await watched(host, status)
  expect(well.outputs.result, said(well)).toBe('healthy')
  expect(well.status?.drift).toEqual([])
  expect(well.status?.running.join()).toMatch(/^bot .*bot:latest sha256:\S+ running/)
  await host.sh(
    `cd ${app.path}; sed -i 's/unless-stopped/always/' compose.yaml; docker commit bot-bot-1 ${registry.name}/bot:latest; docker compose -p bot up -d`,
  )
  const differs = await status()
  expect(
    differs.status?.drift.map(({ text }) => text),
    said(differs),
  ).toEqual([
    'compose.yaml was changed',
    expect.stringMatching(/^bot runs the image sha256:\S+, and was deployed with sha256:/),
  ])
})

test.concurrent('stack: services and configs to come, and a service that was updated by hand', async () => {
  await using host = await engineHost('plan-stack', registry)
  const app = new ComposeBot(host, registry)
  await host.sh(`docker swarm init --advertise-addr ${host.address}`)
  await registry.push('swarm:latest', bot('v1'))
  const tree = (setting: string, more = '') => ({
    'settings.conf': setting,
    'docker-stack.yml': `version: "3.8"
services:
  bot:
    image: ${registry.name}/swarm:latest
    configs: [ { source: settings, target: /settings } ]
    deploy: { endpoint_mode: dnsrr }
${more}configs:
  settings: { file: ./settings.conf }
`,
  })
  const act = async (source: Record<string, string>, mode = 'deploy') =>
    seen(await app.start({ compose: '', tree: source, inputs: { mode, strategy: 'stack', 'health-timeout': '40s' } }))

  const first = await act(tree('one'))
  expect(first.outputs.result, said(first)).toBe('deployed')
  const same = await act(tree('one'), 'plan')
  expect([same.outputs.result, same.plan?.unchanged, same.plan?.does], said(same)).toEqual(['planned', true, []])
  await registry.push('swarm:latest', bot('v2'))
  const moved = expect.stringMatching(/^~ bot would run another image: .*swarm:latest has moved$/)
  const extra = `  extra:\n    image: ${registry.name}/swarm:latest\n    deploy: { endpoint_mode: dnsrr }\n`
  const next = await watched(host, () => act(tree('two', extra), 'plan'))
  expect(next.plan?.does, said(next)).toEqual(['+ service extra', '~ content of bot_settings', moved])

  const status = async () => seen(await app.rollback({ mode: 'status', 'health-timeout': '20s' }))
  const well = await status()
  expect([well.outputs.result, well.status?.drift], said(well)).toEqual(['healthy', []])
  const other = await registry.push('swarm:latest', bot('v3'))
  await host.sh(
    `docker service update -q --detach --with-registry-auth --image ${registry.name}/swarm:latest@${other} bot_bot`,
  )
  const differs = (await status()).status?.drift.map(({ text }) => text)
  expect(differs).toEqual([expect.stringMatching(new RegExp(`^bot runs .*${other}, and was deployed with sha256:`))])
})

test.concurrent('BusyBox and Dropbear: the same, with nothing but small tools', async () => {
  await using host = await busyboxHost({ name: 'plan-router' })
  await using folder = await scratch('plan-router')
  const act = async (mode: string, tree: Tree = {}, more: Record<string, string> = {}) => {
    await writeTree(folder.path, tree)
    const inputs = {
      host: host.target,
      'ssh-key': host.clientKey.private,
      'host-key': host.knownHostsLine,
      name: 'shop',
      mode,
      ...(mode !== 'status' && { path: '/home/deploy/app', strategy: 'script', activate: 'true', 'env-file': 'A=1' }),
      health: 'command: true',
      'health-stable': '0s',
      ...more,
    }
    return seen(await runAction({ workspace: folder.path, inputs }))
  }
  const names = { 'a b': '1', 'deep/er/x': 'x' }
  expect((await act('plan', names)).plan?.changes?.added).toEqual(['a b', 'deep/er/x'])
  const lacking = await act('plan', names, { sync: 'rsync', backup: 'sqlite: app.db\npostgres: app' })
  expect(lacking.plan?.obstacles.map(({ code, what, why }) => [code, what, why].join(' '))).toEqual([
    expect.stringMatching(/^HD-PATH-01 rsync is missing on /),
    expect.stringMatching(/^HD-DATA-03 .* could not be backed up\. sqlite: .*: install one of them/),
    expect.stringMatching(/^HD-DATA-03 .* could not be backed up\. postgres: app: psql is missing: install/),
  ])
  expect(await host.sh('ls -A /home/deploy | grep -v ssh; true')).toBe('')
  const first = await act('deploy')
  expect(first.outputs.result, first.maskedLog).toBe('deployed')
  const next = await act('plan', { 'deep/er/x': 'other' })
  expect([next.outputs.result, next.plan?.changes?.changed], next.maskedLog).toEqual(['planned', ['deep/er/x']])
  expect((await act('status')).status?.drift).toEqual([])
  await host.sh('cd /home/deploy/app && echo 2 >"a b" && echo A=2 >.env')
  expect((await act('status')).status?.drift.map(({ text }) => text)).toEqual([
    ...['a b was changed', 'A has another value in /home/deploy/app/.env'],
  ])
  expect(await host.sh('ls -d /dev/shm/* /tmp/homelab* 2>/dev/null; true')).toBe('')
})
