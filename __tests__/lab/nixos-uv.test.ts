import { expect, test } from 'vitest'
import type { RunResult } from '../helpers/run-action.ts'
import { labHost } from './host.ts'
import { installSystem, type Version as System, systemFiles } from './nix-app.ts'
import { runJob } from './recipe.ts'
import { UvApp, type Version } from './uv-app.ts'

/** Quick to say that something is ill; everything else is as the recipe has it. */
const hurry = { 'health-timeout': '7s', 'health-stable': '1s', 'confirm-timeout': '60s' }
const path = '/home/deploy/projects/lab-project/nakamura-misaki'
const page = 'home-lab-01-nixos'

const unit = (system: string) =>
  `[Service]\nUser=deploy\nWorkingDirectory=${path}\nEnvironment=GREETING=${system}\nExecStart=${path}/.venv/bin/uvicorn ego_backend:app --port 10000\n`

const script = (sql: string) =>
  `import ego_core, subprocess\nsubprocess.run(['psql', '-Xqd', 'nakamura_misaki', '-v', 'ON_ERROR_STOP=1', '-c', ${JSON.stringify(sql)}], check=True)\n`
const scripts = {
  'scripts/init_db.py': script('create table if not exists users (name text)'),
  'scripts/migrate_to_postgresql.py': script("insert into users values ('somebody')"),
}

test.concurrent('the third way of home-lab-01: code by uv and the system after it go forward and back together', async () => {
  await using host = await labHost({ name: 'home-lab-07', user: 'deploy', layers: ['uv', 'nix-databases'] })
  await using app = await UvApp.create(host, path, 'nakamura-misaki')
  const system = (version: Omit<System, 'version'>) =>
    systemFiles(version, { 'nakamura-misaki-api.service': unit(version.system ?? 's0') }, '.')
  await host.write('/root/lab-project', system({}), 'root')
  await installSystem(host, '/root/lab-project')
  await host.sh(
    `install -d -o deploy /home/deploy/projects /home/deploy/projects/lab-project ${path} ${path}/data; echo kept >${path}/data/rows
    for i in $(seq 100); do runuser -u postgres -- psql -c "" 2>/dev/null && break; sleep 0.2; done; cd /
    runuser -u postgres -- createuser deploy; runuser -u postgres -- createdb -O deploy nakamura_misaki`,
  )

  const job = async (sha: string, block: number, to = '') =>
    await runJob(page, { ...app.values, to }, block, async (inputs) => {
      // As in the recipe: this service is a workspace.
      const more = inputs.strategy === 'uv' ? { 'uv-args': '--all-packages' } : {}
      return await app.run(sha, { ...inputs, ...(inputs.mode !== 'rollback' && hurry), ...more })
    })
  const commit = async (
    version: Version & Omit<System, 'version' | 'behaviour'>,
    behaviour: System['behaviour'] = 'good',
  ) => {
    const inTheRepository = Object.entries(system({ system: version.system ?? 's0', behaviour }))
    const files = { ...Object.fromEntries(inTheRepository.map(([name, text]) => [`../${name}`, text])), ...scripts }
    return await app.commit({ ...version, files: { ...files, ...version.files } })
  }
  const ends = (results: readonly (RunResult | undefined)[], ...wanted: string[]) =>
    expect(
      results.map((result) => result?.outputs.result ?? 'skipped'),
      results.map((result) => result?.maskedLog).join('\n'),
    ).toEqual(wanted)
  /** The code, its environment and the system that answer, and what would boot. */
  const serves = async (version: string, signed: boolean, label: string) => {
    expect(JSON.parse(await host.sh('curl -s http://127.0.0.1:10000/health'))).toMatchObject({
      version,
      signed,
      greeting: label,
    })
    const links = await host.sh('readlink -f /run/current-system /nix/var/nix/profiles/system /boot/default')
    expect(links.split('\n').map((link) => link.replace(/.*-home-lab-01-/, ''))).toEqual([label, label, label])
    expect(
      await host.sh('ls -d /home/deploy/.local/state/homelab-deploy/*/* | grep -E "/(lock|pending.json|work)$"; true'),
    ).toBe('')
  }
  const started = async () => await host.sh('systemctl show -p InvocationID --value nakamura-misaki-api')

  const one = await commit({ version: 'v1', system: 's1' })
  ends(await job(one, 2), 'deployed', 'deployed', 'skipped')
  await serves('v1', false, 's1')

  // A migration that fails: the old version never stopped to serve.
  const serving = await started()
  const files = { 'scripts/migrate_to_postgresql.py': script('insert into nothing values (1)') }
  ends(
    await job(await commit({ version: 'v2', signed: true, system: 's2', files }), 2),
    'rolled-back',
    'skipped',
    'skipped',
  )
  await serves('v1', false, 's1')
  expect(await started()).toBe(serving)

  // The code was deployed, and the system fails: in its activation, and before it, when it is built.
  const three = await commit({ version: 'v3', signed: true, system: 's3' }, 'snippet')
  ends(await job(three, 2), 'deployed', 'rolled-back', 'deployed')
  await serves('v1', false, 's1')
  const broken = { '../nixos/flake.nix': '{ outputs = _: nonsense; }' }
  ends(await job(await commit({ version: 'v4', signed: true, files: broken }), 2), 'deployed', 'failed', 'deployed')
  await serves('v1', false, 's1')

  ends(await job(await commit({ version: 'v5', signed: true, system: 's5' }), 2), 'deployed', 'deployed', 'skipped')
  await serves('v5', true, 's5')
  // By hand: what only one of the two ever ran ends before anything is changed.
  ends(await job('', 3, three), 'failed', 'skipped')
  await serves('v5', true, 's5')
  ends(await job('', 3, one), 'deployed', 'deployed')
  await serves('v1', false, 's1')
  const state = '/home/deploy/.local/state/homelab-deploy'
  expect(
    await host.sh(`cat ${path}/data/rows; ls ${state}/nakamura-misaki/backups | sed 's/-[^-]*$//' | sort -u`),
  ).toBe('kept\npostgres-nakamura_misaki\ntar-data')
})
