import { afterAll, beforeAll, expect, test } from 'vitest'
import { bot, ComposeBot, engineHost, said } from './compose-bot.ts'
import { Registry } from './registry.ts'

let registry: Registry

beforeAll(async () => {
  registry = await Registry.start()
}, 60_000)

afterAll(async () => {
  await registry?.[Symbol.asyncDispose]()
})

test('a moving tag: deployed by digest, an ill version taken back, an old one by hand with the registry down', async () => {
  await using host = await engineHost('moving', registry)
  const app = new ComposeBot(host, registry)
  const one = await registry.push('bot:latest', bot('v1'))

  const first = await app.deploy()
  expect(first.outputs.result, said(first)).toBe('deployed')
  expect(first.maskedLog).toContain(`bot:latest is ${one}`)
  expect(await app.says()).toBe('Logged in as v1')
  expect(await host.sh(`stat -c '%u:%g %a' ${app.path}/data; stat -c %a ${app.path}/.env`)).toBe('1234:1234 755\n600')
  await host.sh(`echo rows >${app.path}/data/db`)

  // Nothing changed, and nothing moved.
  expect((await app.deploy()).outputs.result).toBe('unchanged')

  // Somebody else who updates containers would undo what comes now.
  await host.sh(`docker run -d --name watchtower --entrypoint /bin/sleep ${registry.name}/bot:latest 1000`)

  await registry.push('bot:latest', bot('v2'))
  const second = await app.deploy()
  expect(second.outputs.result, said(second)).toBe('deployed')
  expect(await app.says()).toBe('Logged in as v2')

  expect(second.warnings.map(({ message }) => message).join('\n')).toMatch(/also updates by itself \(watchtower\)/)
  await host.sh('docker rm -f watchtower')

  await registry.push('bot:latest', 'echo broken; exit 3')
  const broken = await app.deploy()
  expect(broken.outputs.result, said(broken)).toBe('rolled-back')
  expect(broken.summary).toContain('broken')
  expect(await app.says()).toBe('Logged in as v2')

  await registry.down()
  const back = await app.rollback()
  await registry.up()
  expect(back.outputs.result, said(back)).toBe('deployed')
  expect(back.outputs.release).toBe(first.outputs.release)
  expect(await app.says()).toBe('Logged in as v1')
  expect(await host.sh(`cat ${app.path}/data/db`)).toBe('rows')
  expect(await app.leftovers()).toBe('')
  // Each release that is kept holds its image by a name of ours, and nothing else does.
  const names = [first, second].map(({ outputs }) => `${outputs['release']}.bot`).sort()
  expect(await host.sh("docker images --format '{{.Tag}}' homelab-deploy/bot | sort")).toBe(names.join('\n'))
  for (const run of [first, second, broken, back]) {
    expect(run.maskedLog).not.toContain('the-registry-token')
    expect(run.maskedLog).not.toContain('the-token-of-the-bot')
  }
  expect(await host.sh(`grep -r the-token-of-the-bot ${app.state}/releases/*/compose; true`)).toBe('')
})
