import { afterAll, beforeAll, expect, test } from 'vitest'
import { bot, ComposeBot, engineHost, said } from './compose-bot.ts'
import { Registry } from './registry.ts'

let registry: Registry

beforeAll(async () => {
  registry = await Registry.start()
  await registry.push('bot:latest', bot('v1'))
}, 60_000)
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]()
})

/** Another version of the same image: what it runs is in the Compose file. */
const runs = (compose: string, command: string) =>
  compose.replace('restart:', `command: [ /bin/sh, -c, ${JSON.stringify(command)} ]\n    restart:`)

test('what was started by hand is adopted; what then fails in any way is taken back', async () => {
  await using host = await engineHost('faults', registry)
  const app = new ComposeBot(host, registry)
  const compose = app.compose()
  const image = `${registry.name}/bot:latest`
  await registry.login(host)
  await host.write(app.path, { 'compose.yaml': compose, '.env': 'BOT_TOKEN=by-hand\n', 'data/db': 'rows\n' })
  await host.sh(`cd ${app.path} && docker compose up -d 2>&1; rm -rf /root/.docker`)
  const byHand = await host.sh('docker ps -q --no-trunc')

  const takenBack = async (code: string, words: RegExp, more: Parameters<ComposeBot['deploy']>[0]) => {
    const run = await app.deploy(more)
    expect(run.outputs['result'], said(run)).toBe('rolled-back')
    expect(run.errors[0]?.message).toContain(code)
    expect(run.errors[0]?.message).toMatch(words)
    expect(await app.says()).toBe('Logged in as v1')
    expect(await host.sh(`cat ${app.path}/data/db; docker ps -a --format '{{.Names}}'`)).toBe('rows\nbot-bot-1')
    expect(await app.leftovers()).toBe('')
    return run
  }
  // The very first deploy fails: what was started by hand is back, as it was.
  const before = await takenBack('HD-HEALTH-01', /bot-bot-1/, { compose: runs(compose, 'echo crash; exit 1') })
  expect(before.summary).toContain('crash')
  expect(await host.sh(`cat ${app.path}/.env; docker exec bot-bot-1 /bin/sh -c 'echo $TOKEN'`)).toBe(
    'BOT_TOKEN=by-hand\nby-hand',
  )
  expect(await host.sh('docker ps -q --no-trunc')).not.toBe(byHand)

  const first = await app.deploy({ inputs: { 'health-stable': '1s' } })
  expect(first.outputs['result'], said(first)).toBe('deployed')

  await takenBack('HD-HEALTH-01', /unhealthy/, {
    compose: compose.replace(
      'restart:',
      'healthcheck: { test: [ CMD, "false" ], interval: 1s, retries: 1 }\n    restart:',
    ),
  })
  const needs = (condition: string, other: string) =>
    compose.replace('restart:', `depends_on: { other: { condition: ${condition} } }\n    restart:`) +
    `  other:\n    image: ${image}\n${other}`
  await takenBack('HD-COMPOSE-04', /other-1.*unhealthy/s, {
    compose: needs('service_healthy', '    healthcheck: { test: [ CMD, "false" ], interval: 1s, retries: 1 }\n'),
  })
  await takenBack('HD-COMPOSE-04', /other.*exit 7/s, {
    compose: needs('service_completed_successfully', '    command: [ /bin/sh, -c, "echo migrating; exit 7" ]\n'),
  })
  await takenBack('HD-HEALTH-01', /helper-1/, {
    compose: runs(compose, 'exit 1').replace('  bot:', '  helper:'),
  })

  // A migration that ends well is done; a check that cannot fail and a missing restart policy are told.
  const migrated = await app.deploy({
    compose: needs('service_completed_successfully', '    command: [ echo, migrated ]\n').replace(
      'restart: unless-stopped',
      'healthcheck: { test: "exit 0", interval: 1s }',
    ),
  })
  expect(migrated.outputs['result'], said(migrated)).toBe('deployed')
  expect(migrated.warnings.map(({ message }) => message).join('\n')).toMatch(/no restart policy[\s\S]*cannot fail/)

  // A renamed service leaves its old container as an orphan, which is told and not deleted.
  const renamed = await app.deploy({ compose: compose.replace('  bot:', '  robot:') })
  expect(renamed.outputs['result'], said(renamed)).toBe('deployed')
  expect(renamed.warnings.map(({ message }) => message).join('\n')).toMatch(/does not know any more: bot other/)
  expect(await host.sh(`docker ps --format '{{.Names}}' | sort`)).toBe('bot-bot-1\nbot-robot-1')
})

test('a file that is mounted and changed starts its container anew, and back', async () => {
  await using host = await engineHost('mounts', registry)
  const app = new ComposeBot(host, registry)
  const program = (text: string) => `#!/bin/sh\necho ${text}\ntrap 'exit 0' TERM; while :; do sleep 0.2; done\n`
  const compose = app
    .compose()
    .replace('restart:', 'command: [ /bin/sh, /run.sh ]\n    restart:')
    .replace('"./data:/data"', '"./data:/data", "./run.sh:/run.sh:ro"')
  const deploy = (text: string, health = 'container:*') =>
    app.deploy({ compose, tree: { 'run.sh': program(text) }, inputs: { health, 'health-stable': '1s' } })
  expect((await deploy('one')).outputs['result']).toBe('deployed')
  const container = await host.sh('docker ps -q')
  const second = await deploy('two')
  expect(second.outputs['result'], said(second)).toBe('deployed')
  expect(await app.says()).toBe('two')
  const third = await deploy('three', 'command: ! grep -q three run.sh within=2s')
  expect(third.outputs['result'], said(third)).toBe('rolled-back')
  expect(await app.says()).toBe('two')
  expect(await host.sh('docker ps -q')).toBe(container)
})

test('cancelled in the middle of a pull and of the start, and a power cut', async () => {
  await using host = await engineHost('cancelled', registry)
  const app = new ComposeBot(host, registry)
  const first = await app.deploy({ inputs: { 'health-stable': '1s' } })
  expect(first.outputs['result'], said(first)).toBe('deployed')
  const running = await host.sh('docker ps -q --no-trunc')

  await registry.push('bot:big', bot('big'), 80_000_000)
  const pulling = await app.start({ compose: app.compose('', 'bot:big') }, (run) => {
    void run.line(/Pulling fs layer/).then(async () => {
      await registry.host.sh('systemctl kill -s STOP lab-registry')
      run.cancel()
    })
  })
  await registry.host.sh('systemctl kill -s CONT lab-registry')
  expect(pulling.outputs['result'], said(pulling)).toBe('failed')
  expect(await host.sh('docker ps -q --no-trunc')).toBe(running)
  expect(await app.leftovers()).toBe('')

  const slow = `${runs(app.compose(), 'sleep 1000').replace('restart:', 'depends_on: { slow: { condition: service_healthy } }\n    restart:')}  slow:
    image: ${registry.name}/bot:latest
    healthcheck: { test: [ CMD, "false" ], interval: 60s, start_period: 60s }
`
  const starting = await app.start(
    { compose: slow },
    (run) => void run.line(/Container bot-slow-1 {2}(Started|Waiting)/).then(() => run.cancel()),
  )
  expect(starting.outputs['result'], said(starting)).toBe('rolled-back')
  await expect.poll(() => app.leftovers(), { timeout: 60_000 }).toBe('')
  expect(await app.says()).toBe('Logged in as v1')
  expect(await host.sh(`docker ps -a --format '{{.Names}}'`)).toBe('bot-bot-1')

  // The power fails while the new version is being judged; a unit of systemd takes it back at the next boot.
  const cut = app.start(
    {
      compose: runs(app.compose(), 'echo new; sleep 1000'),
      inputs: { 'health-stable': '30s', 'confirm-timeout': '60s' },
    },
    (run) => {
      void run.line(/Check health/).then(async () => {
        await expect.poll(() => app.says()).toBe('new')
        await host.kill()
        run.kill('SIGKILL')
        await host.boot()
      })
    },
  )
  await cut
  await expect.poll(() => app.says().catch(() => ''), { timeout: 90_000, interval: 1_000 }).toBe('Logged in as v1')
  await expect.poll(() => app.leftovers(), { timeout: 60_000 }).toBe('')
})

test('a full disk of the engine: named before a pull, and in the middle of one', async () => {
  await using host = await engineHost('full', registry)
  await host.sh(
    'systemctl stop docker.socket docker; mount -t tmpfs -o size=230m tmpfs /var/lib/docker; systemctl start docker',
  )
  const app = new ComposeBot(host, registry)
  const first = await app.deploy({ inputs: { 'health-stable': '1s' } })
  expect(first.outputs['result'], said(first)).toBe('deployed')
  await registry.push('bot:huge', bot('huge'), 180_000_000)
  const pulled = await app.deploy({ compose: app.compose('', 'bot:huge') })
  expect(pulled.outputs['result'], said(pulled)).toBe('failed')
  expect(pulled.errors[0]?.message).toContain('HD-DISK-01')
  await host.sh('head -c 140000000 /dev/zero >/var/lib/docker/filler')
  const refused = await app.deploy({ compose: app.compose('', 'bot:huge') })
  expect(refused.errors[0]?.message).toContain('nearly full')
  expect(refused.errors[0]?.message).toContain('HD-DISK-01')
  expect(await app.says()).toBe('Logged in as v1')
  expect(await app.leftovers()).toBe('')
})
