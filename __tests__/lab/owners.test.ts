import { expect, test } from 'vitest'
import { labHost } from './host.ts'
import { Service } from './service.ts'

const plain = { before: '', prepare: '', after: '', health: '' }

test('root keeps the owner of what it replaces, gives new files to the owner of the tree, and puts both back', async () => {
  await using host = await labHost({ name: 'owners', user: 'root' })
  const app = new Service(host)
  await host.sh(`install -d -o limited -g limited ${app.path}; cd ${app.path}
    echo old >version; chown deploy:deploy version; echo old >shared; chown limited:limited shared; echo gone >gone; chown nobody gone; chmod 640 gone`)
  const owners = async () =>
    await host.sh(`cd ${app.path}; find . -mindepth 1 ! -name .env -printf '%P %u:%g %m\\n' | sort`)
  const before = await owners()

  const broken = await app.deploy({ version: 'v1', inputs: { ...plain, activate: 'exit 1' } })
  expect(broken.outputs.result, broken.maskedLog).toBe('rolled-back')
  expect(await owners()).toBe(before)
  expect(await host.sh(`cat ${app.path}/version ${app.path}/gone`)).toBe('old\ngone')

  const good = await app.deploy({ version: 'v1', inputs: { ...plain, activate: ':' } })
  expect(good.outputs.result, good.maskedLog).toBe('deployed')
  expect((await owners()).split('\n')).toEqual([
    'only-v1 limited:limited 755',
    'only-v1/data limited:limited 644',
    'serve.py limited:limited 644',
    'shared limited:limited 644',
    'version deploy:deploy 644',
  ])
  expect(await host.sh(`stat -c '%U %a' ${app.path}/.env`)).toBe('limited 600')
})

test('a user with sudo deploys as root where only root may write', async () => {
  await using host = await labHost({ name: 'sudo', user: 'deploy' })
  const app = new Service(host, '/srv/theirs/app')
  await host.sh('install -d /srv/theirs')
  const inputs = { ...plain, activate: 'id -un >activated' }
  const first = await app.deploy({ version: 'v1', inputs })
  expect(first.outputs.result, first.maskedLog).toBe('deployed')
  expect(await host.sh(`cat ${app.path}/version ${app.path}/activated; stat -c %U ${app.path}/version`)).toBe(
    'v1\nroot\nroot',
  )
  expect(await host.sh('cat /var/lib/homelab-deploy/app/current')).toBe(first.outputs.release)

  const broken = await app.deploy({ version: 'v2', inputs: { ...inputs, activate: 'exit 1' } })
  expect(broken.outputs.result, broken.maskedLog).toBe('rolled-back')
  expect(await host.sh(`cat ${app.path}/version`)).toBe('v1')

  const never = await app.deploy({ version: 'v2', inputs: { ...inputs, sudo: 'never' } })
  expect(never.errors[0]?.message).toContain('HD-PATH-04')
  expect(await host.sh(`cat ${app.path}/version`)).toBe('v1')

  // Neither who looks nor who goes back has to say where it was deployed, or as whom.
  expect((await app.deploy({ version: 'v2', inputs })).outputs.result).toBe('deployed')
  const status = await app.rollback({ mode: 'status' })
  expect(status.outputs.result, status.maskedLog).toBe('healthy')
  const back = await app.rollback()
  expect(back.outputs.result, back.maskedLog).toBe('deployed')
  expect(await host.sh(`cat ${app.path}/version; ls /home/deploy/.local 2>&1 || :`)).toMatch(/^v1\n.*No such file/)
  const elsewhere = await app.rollback({ mode: 'status', name: 'nothing' })
  expect(elsewhere.errors[0]?.message).toContain('HD-STATUS-03')
})
