import { expect, test } from 'vitest'
import { startAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { writeTree } from '../helpers/tree.ts'
import { busyboxHost } from './busybox-host.ts'
import { bot, said } from './compose-bot.ts'
import { fileOf, recipe } from './recipe.ts'
import { Registry, trust, waitForEngine } from './registry.ts'

const page = 'kotonoha-synology'
const image = 'example/kotonoha-bot:latest'

test('the recipe of kotonoha, on a host that has BusyBox and Docker and nothing else', async () => {
  await using registry = await Registry.start()
  await using host = await busyboxHost({ name: 'nas', user: 'root', docker: true })
  await waitForEngine(host)
  await host.sh(
    trust(
      registry.name,
      'pid=$(cat /var/run/docker.pid); kill $pid; while kill -0 $pid; do sleep 0.2; done; start-docker',
    ),
  )
  await waitForEngine(host)
  const state = '/var/lib/homelab-deploy/kotonoha-bot'

  // What the page says, but for the addresses of the lab, and waiting less.
  const connection = {
    host: `root@${host.address}`,
    'ssh-key': host.clientKey.private,
    'host-key': host.knownHostsLine,
  }
  const inputs = {
    ...recipe(page, {
      SSH_KEY: host.clientKey.private,
      NAS_HOST_KEY: host.knownHostsLine,
      DOTENV: 'DISCORD_TOKEN=the-token-of-the-bot',
      GHCR_TOKEN: registry.password,
      mode: 'deploy',
      to: '',
    }),
    ...connection,
    registry: registry.name,
    'registry-username': registry.user,
    'health-timeout': '20s',
    'health-stable': '3s',
    'confirm-timeout': '40s',
  }
  const { path = '' } = inputs as Record<string, string>
  const file = fileOf(page, 'docker-compose.yml').replaceAll('ghcr.io', registry.name)
  const start = async (comment: string, during?: (run: ReturnType<typeof startAction>) => void) => {
    await using workspace = await scratch('lab-nas')
    await writeTree(workspace.path, {
      'deploy/docker-compose.yml': `${file}# ${comment}\n`,
      'bot.py': 'not for the NAS',
    })
    const run = startAction({ workspace: workspace.path, inputs })
    during?.(run)
    return await run.finished
  }
  const says = async () => (await host.try('docker logs --tail 1 kotonoha-bot 2>&1')).stdout.trim()

  expect((await host.try('command -v systemctl rsync git sftp bash')).stdout).toBe('')
  await registry.push(image, bot('v1'))
  const first = await start('one')
  expect(first.outputs['result'], said(first)).toBe('deployed')
  expect(await says()).toBe('Logged in as v1')
  expect(await host.sh(`cd ${path}; stat -c '%n %u %a' . .env docker-compose.yml data logs backups; ls`)).toBe(
    `. 0 755
.env 0 600
docker-compose.yml 0 644
data 1234 755
logs 1234 755
backups 1234 755
backups
data
docker-compose.yml
logs`,
  )
  await host.sh(`cd ${path}/data; sqlite3 kotonoha.db 'create table t (a); insert into t values (1)'; echo rows >db`)

  // After a reboot the bot is there by itself.
  await host.reboot()
  await waitForEngine(host)
  await expect.poll(says, { timeout: 20_000 }).toBe('Logged in as v1')

  await registry.push(image, 'echo no token; sleep 1; exit 1')
  const ill = await start('two')
  expect(ill.outputs['result'], said(ill)).toBe('rolled-back')
  expect(ill.summary).toContain('no token')
  expect(await says()).toBe('Logged in as v1')

  // The runner dies: the guard, which no systemd holds, takes it back, although the registry is gone too.
  await registry.push(image, bot('v2'))
  await start('three', (run) => {
    void run.line(/Check health/).then(async () => {
      run.kill('SIGKILL')
      await registry.down()
    })
  })
  await expect.poll(() => host.sh(`ls ${state}`), { timeout: 80_000, interval: 1_000 }).not.toMatch(/pending|lock|work/)
  expect(await says()).toBe('Logged in as v1')
  await registry.up()

  const second = await start('three')
  expect(second.outputs['result'], said(second)).toBe('deployed')
  expect(await says()).toBe('Logged in as v2')

  expect(
    await host.sh(
      `cd ${state}/backups; ls | sed 's/-[^-]*$//'; sqlite3 "$(ls -d sqlite*/* | tail -n 1)" 'select a from t'`,
    ),
  ).toMatch(/^sqlite[\s\S]*tar-logs\n1$/)

  await using workspace = await scratch('lab-nas')
  const back = await startAction({
    workspace: workspace.path,
    inputs: { ...connection, mode: 'rollback', name: 'kotonoha-bot', 'health-stable': '2s' },
  }).finished
  expect(back.outputs['result'], said(back)).toBe('deployed')
  expect(await says()).toBe('Logged in as v1')
  expect(
    await host.sh(
      `cat ${path}/data/db; cat /root/.docker/config.json 2>/dev/null; grep -rl '${registry.password}' ${state} || :`,
    ),
  ).toBe('rows')
  // It looks once a second whether it is still needed.
  await expect.poll(() => host.sh('ps'), { timeout: 5_000 }).not.toMatch(/guard\.sh/)
})
