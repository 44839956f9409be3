import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type RunResult, startAction } from '../helpers/run-action.ts'
import { until } from './command.ts'
import { labHost } from './host.ts'
import { recipe } from './recipe.ts'
import { UvApp, type Version } from './uv-app.ts'
import { workspaceFiles } from './uv-layer.ts'

/** A stand-in: this host is in no tailnet. */
const serve =
  '#!/bin/sh\necho "https://egograph.example.ts.net (tailnet only)"\necho "|-- / proxy http://127.0.0.1:8000"\n'

/** Quick to say that something is ill; everything else is as the recipe has it. */
const hurry = { 'health-timeout': '7s', 'health-stable': '1s', 'confirm-timeout': '60s' }

function expectEnd(result: RunResult, wanted: string, ...texts: (string | RegExp)[]): string {
  const message = result.errors.map((error) => error.message).join('\n')
  expect(`${result.outputs.result} ${message}`, result.maskedLog).toMatch(new RegExp(`^${wanted} `))
  for (const text of texts) expect(message, result.maskedLog).toMatch(text)
  return message
}

test.concurrent('the recipe of EgoGraph: a clone is adopted, and every way to be broken is taken back without the network', async () => {
  await using host = await labHost({ name: 'egograph', user: 'root', layers: ['uv'] })
  await using app = await UvApp.create(host)
  const deploy = async (version: Version, inputs: Record<string, string> = {}) =>
    await app.run(await app.commit(version), { ...recipe('egograph', app.values), ...hurry, ...inputs })
  const rollback = async () => await app.run('', recipe('egograph', app.values, 1))

  await app.commit({ version: 'v0' })
  await app.cloneOnHost()
  await host.sh(
    `cd ${app.path}; echo GREETING=hello >backend/.env; chmod 640 backend/.env; echo kept >data/rows; echo '# by hand' >>backend/src/ego_backend/migrate.py; echo mine >notes.txt`,
  )

  await host.write('/usr/local/bin', { tailscale: { text: serve, mode: 0o755 } })
  const first = await deploy({ version: 'v1' })
  expectEnd(first, 'deployed')
  expect(first.maskedLog).toContain('tailscale serve: https://egograph.example.ts.net (tailnet only)')
  await app.expectVersion('v1', { signed: false })
  expect(await host.sh(`cd ${app.path}; cat data/rows backend/.env; stat -c %a backend/.env`)).toBe(
    'kept\nGREETING=hello\n640',
  )
  expect(first.warnings.map(({ message }) => message).join('\n')).toMatch(/migrate\.py.*notes\.txt/s)
  expect(
    await host.sh(
      `cat ${app.state}/adopted/notes.txt; tail -n 1 ${app.state}/adopted/backend/src/ego_backend/migrate.py`,
    ),
  ).toBe('mine\n# by hand')

  const second = await deploy({ version: 'v2', signed: true })
  expectEnd(second, 'deployed')
  await app.expectVersion('v2', { signed: true })

  const expectV2 = async () => await app.expectVersion('v2', { signed: true })
  const invocation = async () => await host.sh('systemctl show -p InvocationID --value egograph-backend')

  expectEnd(await deploy({ version: 'v3', behaviour: '500' }), 'rolled-back', 'HD-HEALTH-01', /500 in/)
  await expectV2()
  const crash = await deploy({ version: 'v4', behaviour: 'crash' })
  expectEnd(crash, 'rolled-back', 'HD-HEALTH-01')
  expect(crash.summary).toContain('the disk of thoughts is empty')
  await expectV2()
  expectEnd(
    await deploy({ version: 'v5', behaviour: 'crash-later' }, { 'health-stable': '7s', 'health-timeout': '9s' }),
    'rolled-back',
    'HD-HEALTH-01',
  )
  await expectV2()
  expectEnd(await deploy({ version: 'v6', behaviour: 'import' }), 'rolled-back', 'HD-HEALTH-01')
  await expectV2()
  expectEnd(await deploy({ version: 'v7', behaviour: 'hang' }), 'rolled-back', 'HD-HEALTH-01')
  await expectV2()

  const before = await invocation()
  const stale = await deploy({ version: 'v8', stale: true })
  expect(expectEnd(stale, 'failed', 'HD-UV-02')).toContain('uv lock')
  await host.sh('HOME=/root UV_CACHE_DIR=/var/cache/uv /root/.local/bin/uv cache clean -q itsdangerous')
  const missing = await deploy({ version: 'v9', signed: true })
  expect(expectEnd(missing, 'failed', 'HD-UV-01')).toContain('itsdangerous')
  await expectV2()
  const data = { backup: 'sqlite: data/graph.db', migrate: 'ego-migrate', rollback: 'data' }
  const nodes = async () => await host.sh(`sqlite3 ${app.path}/data/graph.db 'select * from nodes'`)
  await host.sh(`sqlite3 ${app.path}/data/graph.db "create table nodes (name text); insert into nodes values ('old')"`)
  const migrated = await deploy({ version: 'v10', behaviour: 'migrate' }, data)
  expectEnd(migrated, 'rolled-back', /HD-DATA-05/)
  // By the new environment, in which that dependency is no more; and the database is as it was.
  expect(migrated.maskedLog).toContain('migrated by v10 signed: False')
  expect(await nodes()).toBe('old')
  await expectV2()
  // The old version served all the time: nothing of it was restarted.
  expect(await invocation()).toBe(before)

  // Neither the cache nor the network has the dependency any more: what was kept is enough.
  const back = await rollback()
  expectEnd(back, 'deployed')
  expect(back.outputs.release).toBe(first.outputs.release)
  await app.expectVersion('v1', { signed: false })
  const forth = await app.run('', { ...recipe('egograph', app.values, 1), to: second.outputs.release ?? '' })
  expectEnd(forth, 'deployed')
  await expectV2()
  // And once more without any runner, by the program that the host keeps.
  await host.sh(`${app.state}/rollback previous`)
  await until('v1 to answer', async () => (await app.answer()) !== '', 20_000, 200)
  await app.expectVersion('v1', { signed: false })
})

test.concurrent('a user with nothing but the sudoers file that was printed', async () => {
  await using host = await labHost({ name: 'egograph-user', user: 'limited', layers: ['uv'] })
  await using app = await UvApp.create(host)
  await app.commit({ version: 'v0' })
  await app.cloneOnHost()
  const inputs = { ...recipe('egograph', app.values), ...hurry }
  const deploy = async (version: Version) => await app.run(await app.commit(version), inputs)

  const refused = expectEnd(await deploy({ version: 'v1' }), 'failed', 'HD-SUDO-01')
  const file = /^limited ALL=.*\n(?: {2}.*\n)*/m.exec(refused)?.[0] ?? ''
  const page = readFileSync('docs/recipes/egograph.md', 'utf8')
  expect(page).toContain(file.trimEnd().replaceAll('limited', 'deploy'))
  await host.sh('cat >/etc/sudoers.d/egograph; chmod 440 /etc/sudoers.d/egograph; visudo -c', { input: file })

  // The unit runs as root, which has left files in the environment that was there: this user cannot remove those.
  const first = await deploy({ version: 'v1' })
  expectEnd(first, 'deployed')
  await host.sh(`ls -d ${app.path}/.venv.hd-left.* && rm -r ${app.path}/.venv.hd-left.*`)
  await app.expectVersion('v1')
  expectEnd(await deploy({ version: 'v2', behaviour: '500' }), 'rolled-back', 'HD-HEALTH-01')
  await app.expectVersion('v1')
  expectEnd(await deploy({ version: 'v3', signed: true }), 'deployed')
  await app.expectVersion('v3', { signed: true })
  expectEnd(await app.run('', recipe('egograph', app.values, 1)), 'deployed')
  await app.expectVersion('v1', { signed: false })
  expect(await host.sh(`stat -c %U ${app.path}/.venv/bin/uvicorn ${app.path}/VERSION`)).toBe('limited\nlimited')
})

test.concurrent('units of a user, installed from the repository: broken ones are refused, changed ones put back, old ones removed', async () => {
  await using host = await labHost({ name: 'egograph-own', user: 'limited', layers: ['uv'] })
  await using app = await UvApp.create(host, '/home/limited/egograph')
  const unit = 'deploy/egograph-backend.service'
  const inputs = {
    ...recipe('egograph', app.values),
    ...hurry,
    path: app.path,
    'service-scope': 'user',
    'unit-files': unit,
    sync: 'auto',
  }
  const deploy = async (version: Version, more: Record<string, string> = {}) =>
    await app.run(await app.commit(version), { ...inputs, ...more })
  const text = (workspaceFiles()[unit] ?? '')
    .replaceAll('/opt/egograph/repo', app.path)
    .replace('multi-user', 'default')
  const own = 'export XDG_RUNTIME_DIR=/run/user/1001; systemctl --user'
  const files = { [unit]: text }

  expectEnd(await deploy({ version: 'v1', files }), 'failed', 'HD-UNIT-04', /enable-linger limited/)
  await host.sh('loginctl enable-linger limited')
  const broken = { [unit]: text.replace(/ExecStart=.*/, 'ExecStart=') }
  expectEnd(await deploy({ version: 'v1', files: broken }), 'failed', 'HD-UNIT-01', /ExecStart/)
  const first = await deploy({ version: 'v1', files })
  expectEnd(first, 'deployed')
  await app.expectVersion('v1')
  expect(await host.sh(`${own} is-enabled egograph-backend`, { user: 'limited' })).toBe('enabled')
  expectEnd(await app.run(first.outputs.revision ?? '', inputs), 'unchanged')

  const mute = {
    [unit]: text.replace('[Service]', '[Service]\nType=notify\nTimeoutStartSec=3\nEnvironment=GREETING=mute'),
  }
  expectEnd(await deploy({ version: 'v2', files: mute }), 'rolled-back', 'HD-UNIT-02', /TimeoutStartSec/)
  await app.expectVersion('v1', { greeting: '' })

  const timer = 'deploy/egograph-tick.timer'
  const ticking = {
    [unit]: text.replace('[Service]', '[Service]\nEnvironment=GREETING=hello'),
    [timer]: '[Timer]\nOnActiveSec=1h\nUnit=egograph-backend.service\n[Install]\nWantedBy=timers.target\n',
  }
  expectEnd(await deploy({ version: 'v3', files: ticking }, { 'unit-files': `${unit}\n${timer}` }), 'deployed')
  await app.expectVersion('v3', { greeting: 'hello' })
  expect(await host.sh(`${own} is-active egograph-tick.timer`, { user: 'limited' })).toBe('active')

  const fourth = await deploy({ version: 'v4', behaviour: 'crash', files })
  expectEnd(fourth, 'rolled-back', 'HD-HEALTH-01')
  await app.expectVersion('v3', { greeting: 'hello' })
  expect(await host.sh(`${own} is-active egograph-tick.timer`, { user: 'limited' })).toBe('active')

  expectEnd(await app.run('', recipe('egograph', app.values, 1)), 'deployed')
  await app.expectVersion('v1', { greeting: '' })
  expect(
    (await host.try(`${own} is-active egograph-tick.timer; ls ~/.config/systemd/user`, { user: 'limited' })).stdout,
  ).not.toMatch(/^active|tick/m)
})

test.concurrent('a full disk, a network that is cut, a Python that the service may not reach', async () => {
  await using host = await labHost({ name: 'egograph-ill', user: 'root', layers: ['uv'], disk: '500m' })
  await using app = await UvApp.create(host)
  await app.commit({ version: 'v0' })
  await app.cloneOnHost()
  const inputs = { ...recipe('egograph', app.values), ...hurry }
  const deploy = async (version: Version, more: Record<string, string> = {}) =>
    await app.run(await app.commit(version), { ...inputs, ...more })
  await host.sh(`chown -R deploy:deploy ${app.path}`)
  expectEnd(await deploy({ version: 'v1' }), 'deployed')
  // Root gives the environment to the owner of the tree, and nothing of its cache with it.
  expect(
    await host.sh(`cd ${app.path}; stat -c %U .venv .venv/bin/uvicorn VERSION; find /var/cache/uv -user deploy`),
  ).toBe('deploy\ndeploy\ndeploy')

  await host.fillDisk()
  await host.sh('truncate -s -6M /var/filler')
  expectEnd(await deploy({ version: 'v2', signed: true }), 'failed', 'HD-DISK-01')
  await host.freeDisk()
  await app.expectVersion('v1')

  await host.sh('mkdir -p /root/own/bin; cp -L /usr/bin/python3 /root/own/bin/; chmod 700 /root')
  const unit = 'deploy/egograph-backend.service'
  const as = { [unit]: (workspaceFiles()[unit] ?? '').replace('[Service]', '[Service]\nUser=deploy') }
  const own = { 'unit-files': unit, 'uv-args': '--all-packages --python /root/own/bin/python3' }
  expectEnd(await deploy({ version: 'v3', files: as }, own), 'rolled-back', 'HD-UNIT-03', /deploy cannot reach/)
  await app.expectVersion('v1')

  const sha = await app.commit({ version: 'v4', behaviour: 'crash', signed: true })
  const cut = startAction({ workspace: app.folder, sha, inputs: { ...inputs, 'confirm-timeout': '15s' } })
  await cut.line(/restarting egograph-backend/)
  await host.cutNetwork()
  cut.kill()
  await cut.finished
  await until(
    'the host to go back by itself',
    async () => !/pending|lock|work/.test(await host.sh(`ls ${app.state}`)),
    60_000,
    500,
  )
  await app.expectVersion('v1', { signed: false })
})

test.concurrent('the recipe of home-lab-01: a database is backed up and migrated, and the code comes back when that fails', async () => {
  await using host = await labHost({ name: 'home-lab-01', user: 'deploy', layers: ['uv', 'databases'] })
  const path = '/home/deploy/projects/lab-project/nakamura-misaki'
  await using app = await UvApp.create(host, path, 'nakamura-misaki')
  await host.sh(
    `install -d -o deploy /home/deploy/projects /home/deploy/projects/lab-project ${path} ${path}/data; echo kept >${path}/data/rows
    until runuser -u postgres -- psql -c 'select 1' >/dev/null 2>&1; do sleep 0.5; done; cd /
    runuser -u postgres -- psql -qc 'create role deploy login' -c 'create database nakamura_misaki owner deploy'
    cat >/etc/systemd/system/nakamura-misaki-api.service; systemctl daemon-reload; systemctl enable -q nakamura-misaki-api`,
    {
      input: `[Service]\nUser=deploy\nWorkingDirectory=${path}\nExecStart=${path}/.venv/bin/uvicorn ego_backend:app --port 10000\n[Install]\nWantedBy=multi-user.target\n`,
    },
  )
  const inputs = { ...recipe('home-lab-01-uv', app.values), ...hurry, 'uv-args': '--all-packages' }
  const script = (sql: string) =>
    `import ego_core, subprocess\nsubprocess.run(['psql', '-Xqd', 'nakamura_misaki', '-v', 'ON_ERROR_STOP=1', '-c', ${JSON.stringify(sql)}], check=True)\n`
  const files = {
    'scripts/init_db.py': script('create table if not exists users (name text)'),
    'scripts/migrate_to_postgresql.py': script("insert into users values ('somebody')"),
  }
  const deploy = async (version: Version) => await app.run(await app.commit({ files, ...version }), inputs)
  const answer = async () => (await host.try('curl -s http://127.0.0.1:10000/health')).stdout

  expectEnd(await deploy({ version: 'v1' }), 'deployed')
  expect(await answer()).toContain('"v1"')
  const started = await host.sh('systemctl show -p InvocationID --value nakamura-misaki-api')
  const broken = { ...files, 'scripts/migrate_to_postgresql.py': script('insert into nothing values (1)') }
  expectEnd(await deploy({ version: 'v2', signed: true, files: broken }), 'rolled-back', /HD-DATA-05/)
  expect(await answer()).toContain('"v1"')
  expect(await host.sh('systemctl show -p InvocationID --value nakamura-misaki-api')).toBe(started)
  expect(await host.sh(`cat ${path}/data/rows ${path}/VERSION; ls -A ${path} | grep venv`)).toBe('kept\nv1\n.venv')
  expectEnd(await deploy({ version: 'v3', signed: true }), 'deployed')
  expect(await answer()).toMatch(/"v3".*"signed":true/)
  const backups = '/home/deploy/.local/state/homelab-deploy/nakamura-misaki/backups'
  expect(await host.sh(`ls ${backups} | sed 's/-[^-]*$//' | sort -u`)).toBe('postgres-nakamura_misaki\ntar-data')
})
