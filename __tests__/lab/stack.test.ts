import { expect, test } from 'vitest'
import { type RunResult, startAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { writeTree } from '../helpers/tree.ts'
import { bot, engineHost, said } from './compose-bot.ts'
import { Registry } from './registry.ts'

test('a Swarm of two nodes: spread, judged by its tasks, and taken back by specification', async () => {
  await using registry = await Registry.start()
  await using manager = await engineHost('manager', registry)
  await using worker = await engineHost('worker', registry)
  await manager.sh(`docker swarm init --advertise-addr ${manager.address}`)
  const token = await manager.sh('docker swarm join-token -q worker')
  await worker.sh(`docker swarm join --token ${token} ${manager.address}:2377`)
  await registry.push('bot:latest', bot('v1'))

  const stack = (more = '', conf = 'one') => ({
    'docker-stack.yml': `version: "3.8"
services:
  bot:
    image: ${registry.name}/bot:latest
    environment: { TOKEN: "\${BOT_TOKEN}" }
    configs: [ { source: settings, target: /settings } ]
    deploy:
      replicas: 2
      endpoint_mode: dnsrr
      placement: { max_replicas_per_node: 1 }
      restart_policy: { delay: 1s }
      update_config: { order: stop-first, parallelism: 1, monitor: 3s, failure_action: rollback }
      rollback_config: { order: stop-first }
${more}configs:
  settings: { file: ./settings.conf }
`,
    'settings.conf': conf,
  })
  const act = async (
    tree: Record<string, string> | undefined,
    inputs: Record<string, string> = {},
  ): Promise<RunResult> => {
    await using workspace = await scratch('lab-stack')
    if (tree !== undefined) await writeTree(workspace.path, tree)
    const connection = {
      host: `root@${manager.address}`,
      'ssh-key': manager.clientKey.private,
      'host-key': manager.knownHostsLine,
      name: 'bots',
    }
    const deploying = {
      path: '/srv/bots',
      strategy: 'stack',
      'env-file': 'BOT_TOKEN=the-token-of-the-bot',
      registry: registry.name,
      'registry-username': registry.user,
      'registry-password': registry.password,
      'health-timeout': '60s',
      'health-stable': '3s',
      'confirm-timeout': '150s',
    }
    return await startAction({
      workspace: workspace.path,
      inputs: { ...connection, ...(tree && deploying), ...inputs },
    }).finished
  }
  const logs = async () => (await manager.try('docker service logs --raw bots_bot 2>&1 | tail -n 20')).stdout
  const running = async () =>
    await manager.sh(
      `docker service ps --filter desired-state=running --format '{{.Node}} {{.CurrentState}}' bots_bot | cut -d' ' -f1,2 | sort`,
    )
  const digest = async () =>
    await manager.sh(`docker service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Image}}' bots_bot | cut -d@ -f2`)

  const first = await act(stack())
  expect(first.outputs['result'], said(first)).toBe('deployed')
  expect(await running()).toBe('manager Running\nworker Running')
  expect(await logs()).toContain('Logged in as v1')
  const one = await digest()
  expect(first.maskedLog).toContain(one)
  expect(
    await manager.sh(`docker service inspect -f '{{range .Spec.TaskTemplate.ContainerSpec.Env}}{{.}}{{end}}' bots_bot`),
  ).toBe('TOKEN=the-token-of-the-bot')

  // The engine rolls a failing update back by itself and calls that completed; here it is a failed deploy.
  await registry.push('bot:latest', 'echo broken; exit 3')
  const failing = await act(
    stack('  extra:\n    image: ' + registry.name + '/bot:latest\n    deploy: { endpoint_mode: dnsrr }\n', 'two'),
  )
  expect(failing.outputs['result'], said(failing)).toBe('rolled-back')
  expect(failing.errors[0]?.message).toMatch(/HD-HEALTH-01/)
  await expect.poll(running, { timeout: 30_000 }).toBe('manager Running\nworker Running')
  expect(await digest()).toBe(one)
  expect(await manager.sh(`docker service ls --format '{{.Name}}'; cat /srv/bots/settings.conf`)).toBe('bots_bot\none')

  // Another content of a config is another config; the old one stays for the way back.
  await registry.push('bot:latest', bot('v2'))
  await manager.sh('docker node update --availability drain worker')
  const drained = await act(stack('', 'three'), { 'health-timeout': '12s' })
  expect(drained.warnings.map(({ message }) => message).join('\n')).toContain('worker is Ready and Drain')
  expect(drained.outputs['result'], said(drained)).toMatch(/rolled-back|rollback-failed/)
  await manager.sh('docker node update --availability active worker')
  const second = await act(stack('', 'four'))
  expect(second.outputs['result'], said(second)).toBe('deployed')
  const two = await digest()
  expect(two).not.toBe(one)

  await registry.down()
  const back = await act(undefined, { mode: 'rollback', 'health-timeout': '60s' })
  await registry.up()
  expect(back.outputs['result'], said(back)).toBe('deployed')
  expect(await digest()).toBe(one)
  expect(
    await manager.sh(
      'cat /srv/bots/settings.conf; cat /root/.docker/config.json 2>/dev/null; ls -d /var/lib/homelab-deploy/bots/releases/*/secrets 2>/dev/null; true',
    ),
  ).toBe('one')
})
