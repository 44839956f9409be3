import { expect, test } from 'vitest'
import { bot, ComposeBot, engineHost, said } from './compose-bot.ts'
import { Registry } from './registry.ts'

/** Docker belongs to root here: the user calls it by `sudo -n`. */
test('what cannot work is refused while the old version runs on, and is named', async () => {
  await using registry = await Registry.start()
  await using host = await engineHost('refused', registry, { user: 'deploy' })
  await host.sh('install -d -o deploy /volume1/docker/bot')
  const app = new ComposeBot(host, registry)
  await registry.push('bot:latest', bot('v1'))
  const first = await app.deploy({ inputs: { 'health-stable': '1s' } })
  expect(first.outputs['result'], said(first)).toBe('deployed')
  const running = await host.sh('docker ps -q --no-trunc')
  const compose = app.compose()

  const refused = async (code: string, words: RegExp, more: Parameters<ComposeBot['deploy']>[0]) => {
    const run = await app.deploy(more)
    expect(run.outputs['result'], said(run)).toBe('failed')
    expect(run.errors, said(run)).toHaveLength(1)
    expect(run.errors[0]?.message).toMatch(words)
    expect(run.errors[0]?.message).toContain(code)
  }
  await refused('HD-COMPOSE-01', /services\.bot/, { compose: compose.replace('restart:', 'restrat:') })
  await refused('HD-COMPOSE-01', /no Compose file/, { compose: '', tree: { 'bot.py': '' } })
  await refused('HD-COMPOSE-02', /not set: NOBODY SET/, {
    compose: compose.replace('TOKEN:', `A: "\${NOBODY}", B: "\${SET}", TOKEN:`),
  })
  await refused('HD-COMPOSE-03', /docker network create proxy/, {
    compose: `${compose.replace('volumes:', 'networks: [ proxy ]\n    volumes:')}networks: { proxy: { external: true } }\n`,
  })
  await refused('HD-COMPOSE-03', /no service bto/, { inputs: { images: `bto=${registry.name}/bot:latest` } })
  await refused('HD-COMPOSE-03', /compose-project: bot/, { inputs: { 'compose-project': 'other' } })
  await refused('HD-IMAGE-01', /login attempt|unauthorized/i, {
    inputs: { 'registry-password': 'wrong-password', force: 'true' },
  })
  await refused('HD-IMAGE-02', /bot:never/, { compose: app.compose('', 'bot:never') })
  await registry.down()
  await refused('HD-IMAGE-03', /refused|Client\.Timeout|EOF/, { inputs: { force: 'true' } })
  await registry.up()

  expect(await host.sh('docker ps -q --no-trunc')).toBe(running)
  expect(await host.sh(`grep -c image: ${app.path}/compose.yaml`)).toBe('1')
  expect(await app.leftovers()).toBe('')
})
