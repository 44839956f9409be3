import { expect, test } from 'vitest'
import type { RunResult } from '../helpers/run-action.ts'
import { until } from './command.ts'
import { labHost } from './host.ts'
import { NixApp, type Version } from './nix-app.ts'
import { recipe } from './recipe.ts'
import { RunnerNix } from './runner-nix.ts'

/** Quick to say that something is ill. */
const hurry = { 'health-timeout': '5s', 'health-stable': '1s', 'confirm-timeout': '30s' }
const health = 'unit:nakamura-misaki-api\nhttp://127.0.0.1:10000/health'

function inputsOf(app: NixApp): Record<string, string> {
  return { ...app.inputs, protect: '/data', health, ...hurry }
}

function expectEnd(result: RunResult, wanted: string, ...texts: (string | RegExp)[]): string {
  const message = result.errors.map((error) => error.message).join('\n')
  expect(`${result.outputs.result} ${message}`, result.maskedLog).toMatch(new RegExp(`^${wanted} `))
  for (const text of texts) expect(message, result.maskedLog).toMatch(text)
  return message
}

const deployer =
  (app: NixApp) =>
  async (version: Version, more: Record<string, string> = {}): Promise<RunResult> =>
    await app.run(await app.commit(version), { ...inputsOf(app), ...more })

const warnings = (result: RunResult) => result.warnings.map(({ message }) => message).join('\n')

test.concurrent('a system and the code beside it are one release', async () => {
  await using host = await labHost({ name: 'home-lab-01', user: 'root', layers: ['nix'] })
  await using app = await NixApp.create(host)
  await app.install()
  const deploy = deployer(app)
  const started = async () => await host.sh('systemctl show -p InvocationID --value nakamura-misaki-api')

  const first = await deploy({ version: 'v1', system: 's1' })
  expectEnd(first, 'deployed')
  expect(first.maskedLog).toContain('packages: nixos-system-home-lab: 01-s0 → 01-s1')
  expect(first.maskedLog).not.toContain('a reboot is needed')
  await app.expect('v1', 's1')
  expectEnd(await app.run(first.outputs.revision ?? '', inputsOf(app)), 'unchanged')

  // Only the code is new: the service is restarted, and the generation is the one that was.
  const [generation, before] = [await app.generation(), await started()]
  expectEnd(await deploy({ version: 'v2', system: 's1' }), 'deployed')
  await app.expect('v2', 's1')
  expect([await app.generation(), (await started()) === before]).toEqual([generation, false])

  // Exit code 4: the system runs, units failed, and health decides.
  const tolerated = await deploy({ version: 'v3', system: 's3', behaviour: 'unit' })
  expectEnd(tolerated, 'deployed')
  expect(warnings(tolerated)).toMatch(/these units failed: broken\.service/)
  await app.expect('v3', 's3')
  // What failed before is not blamed on the next one.
  const ailing = await deploy({ version: 'v3', system: 's3b', behaviour: 'unit' })
  expectEnd(ailing, 'deployed')
  expect(warnings(ailing)).not.toMatch(/units failed/)
  expect(ailing.maskedLog).toContain('the units that failed had failed before')
  expectEnd(await deploy({ version: 'v3', system: 's3' }), 'deployed')
  const three = await app.generation()

  // The boot loader cannot be written: it runs, it is said, and what boots is what did.
  const bootless = await deploy({ version: 'v4', system: 's4', behaviour: 'bootless' })
  expectEnd(bootless, 'deployed')
  expect(warnings(bootless)).toMatch(/boot loader could not be written/)
  await app.expect('v4', 's4', 's3')
  expect(await app.generation()).toBe(three)
  const fifth = await deploy({ version: 'v5', system: 's5', kernel: '6.18' })
  expectEnd(fifth, 'deployed')
  expect(fifth.maskedLog).toContain('a reboot is needed')
  expect(warnings(fifth)).toMatch(/What runs is not what would be booted/)
  await app.expect('v5', 's5')

  // Back by the number of a generation, though somebody has cleaned up; and then without any runner.
  await host.sh('nix-collect-garbage -d')
  const { host: target = '', name = '', 'ssh-key': key = '', 'host-key': hostKey = '' } = inputsOf(app)
  const rollback = { host: target, name, 'ssh-key': key, 'host-key': hostKey, mode: 'rollback' }
  expectEnd(await app.run('', { ...rollback, to: three }), 'deployed')
  await app.expect('v3', 's3')
  const again = await app.generation()
  const status = await app.run('', { ...rollback, mode: 'status', to: '' })
  expectEnd(status, 'healthy')
  expect(status.summary).toContain(`nixos-system-home-lab-01-s3, generation ${again}`)
  await host.sh(
    '"$(readlink -f /nix/var/nix/profiles/system-*-link | grep s5$ | head -n 1)/bin/switch-to-configuration" test',
  )
  const drifted = await app.run('', { ...rollback, mode: 'status', to: '' })
  expect(drifted.summary).toMatch(/another system runs than was deployed: .*s5/)
  const plan = await app.run(await app.commit({ version: 'v6', system: 's6' }), { ...inputsOf(app), mode: 'plan' })
  expectEnd(plan, 'planned')
  expect(plan.summary).toMatch(/another system: nixos-system-home-lab-01-s6/)
  expectEnd(await app.run('', { ...rollback, to: again, force: 'true' }), 'deployed')
  await app.expect('v3', 's3')
  expectEnd(await app.run('', { ...rollback, to: '4711' }), 'failed', /HD-ROLL-02/, /generation/)
  await host.sh(`${app.state}/rollback previous`)
  await app.expect('v3', 's3b')
})

test.concurrent('whatever an activation breaks is taken back', async () => {
  await using host = await labHost({ name: 'home-lab-02', user: 'deploy', layers: ['nix'] })
  await using app = await NixApp.create(host)
  await app.install()
  const deploy = deployer(app)
  const unjudged = { health: '', 'health-timeout': '', 'health-stable': '', restart: '' }
  // Who ends well and is started again, later, has not failed.
  const again = { 'units/again.service': '[Service]\nExecStart=/bin/true\nRestart=always\nRestartSec=60\n' }
  expectEnd(await deploy({ version: 'v1', system: 's1', files: again }, unjudged), 'deployed')
  const expectV1 = async () => await app.expect('v1', 's1')

  const ill = await deploy({ version: 'v2', system: 's2', code: 'ends' })
  expectEnd(ill, 'rolled-back', 'HD-HEALTH-01')
  expect(ill.summary).toContain('the code of v2 ends')
  await expectV1()
  expectEnd(await deploy({ version: 'v3', system: 's3', code: 'ends' }, unjudged), 'rolled-back', /HD-NIX-04/, /misaki/)
  await expectV1()
  expectEnd(await deploy({ version: 'v4', system: 's4', behaviour: 'snippet' }), 'rolled-back', /HD-NIX-03/, /snippet/)
  await expectV1()
  const refuses = await deploy({ version: 'v4', system: 's4', behaviour: 'refuses' })
  expectEnd(refuses, 'rolled-back', /HD-NIX-03/, /check before the switch/)
  // Units that fail say 4, and hide a snippet that failed before them.
  const hidden = await deploy({ version: 'v4', system: 's4', behaviour: 'snippet-unit' })
  expectEnd(hidden, 'rolled-back', /HD-NIX-03/, /snippet/)
  await expectV1()
  expectEnd(await deploy({ version: 'v5', system: 's5', behaviour: 'init' }), 'rolled-back', /HD-NIX-03/, /reboot/)
  expectEnd(await deploy({ version: 'v6', system: 's6', behaviour: 'crash' }), 'rolled-back', /HD-NIX-03/, /crashed/)
  await expectV1()
  const hung = await deploy({ version: 'v7', system: 's7', behaviour: 'hang' }, { 'confirm-timeout': '10s' })
  expectEnd(hung, 'rolled-back', /HD-GUARD-01/)
  await expectV1()
  // That of nixos-rebuild itself goes on in a unit of its own.
  const native = { activation: 'native', 'confirm-timeout': '10s' }
  expectEnd(await deploy({ version: 'v7', system: 's7', behaviour: 'hang' }, native), 'rolled-back', /HD-GUARD-01/)
  await expectV1()
  expect(await host.sh('pgrep -fx "sleep 1000" || true')).toBe('')
  await host.sh('systemd-run --quiet --unit=other flock /run/nixos/switch-to-configuration.lock sleep 40')
  expectEnd(await deploy({ version: 'v8', system: 's8' }), 'rolled-back', /HD-NIX-03/, /Another activation/)
  await expectV1()

  // sshd and the network: ended for a moment, and for good.
  expectEnd(await deploy({ version: 'v9', system: 's9', behaviour: 'bounce' }), 'deployed')
  await app.expect('v9', 's9')
  const cut = await deploy({ version: 'v10', system: 's10', behaviour: 'cut' }, { 'confirm-timeout': '12s' })
  expectEnd(cut, 'rolled-back')
  await app.expect('v9', 's9')
})

test.concurrent('a power cut before the vote leaves what ran, and after it what was voted for', async () => {
  await using host = await labHost({ name: 'home-lab-06', user: 'root', layers: ['nix'] })
  await using app = await NixApp.create(host)
  await app.install()
  const deploy = deployer(app)
  expectEnd(await deploy({ version: 'v1', system: 's1' }), 'deployed')

  // With it goes the runner. The folder of units cannot be written to, as on NixOS, and yet the code comes back at boot.
  const slow = { ...inputsOf(app), 'health-stable': '8s', 'health-timeout': '9s' }
  const early = app.start(await app.commit({ version: 'v11', system: 's11' }), slow)
  await early.line(/waiting whether it lasts/)
  expect(await app.answer()).toContain('v11')
  await cutPower(app, early)
  await app.expect('v1', 's1')
  expect(await host.sh('readlink -f /run/booted-system')).toMatch(/s1$/)

  const between = app.start(await app.commit({ version: 'v12', system: 's12', behaviour: 'slow-boot' }), inputsOf(app))
  await until('the vote', async () => (await host.try(`test -e ${app.state}/work/confirmed`)).code === 0, 40_000, 100)
  await cutPower(app, between)
  await app.expect('v12', 's12')
  expect(await host.sh('readlink -f /run/booted-system')).toMatch(/s12?$/)

  expectEnd(await deploy({ version: 'v13', system: 's13' }), 'deployed')
  await host.kill()
  await host.boot()
  await app.expect('v13', 's13')
  expect(await host.sh('readlink -f /run/booted-system')).toMatch(/s13$/)
})

async function cutPower({ host }: NixApp, run: ReturnType<NixApp['start']>): Promise<void> {
  run.kill('SIGKILL')
  await host.kill()
  await run.finished
  await host.boot()
}

test.concurrent('what cannot be built changes nothing, nor does a disk that is full', async () => {
  await using host = await labHost({ name: 'home-lab-03', user: 'root', layers: ['nix'], disk: '400m' })
  await using app = await NixApp.create(host)
  await app.install()
  const deploy = deployer(app)
  expectEnd(await deploy({ version: 'v1', system: 's1' }), 'deployed')
  const serving = await host.sh('systemctl show -p InvocationID --value nakamura-misaki-api')
  const flake = (text: string) => ({ files: { 'nixos/flake.nix': text } })

  expectEnd(await deploy({ version: 'v2', ...flake('{ outputs = _: nonsense; }') }), 'failed', /HD-NIX-02/, /nonsense/)
  expectEnd(await deploy({ version: 'v2' }, { flake: './nixos#other' }), 'failed', /HD-NIX-01/, /no such system/)
  expectEnd(await deploy({ version: 'v2' }, { flake: './elsewhere#other' }), 'failed', /HD-NIX-01/, /no flake\.nix/)
  const checks = flake('{ outputs = { self }: { nixosConfigurations.home-lab-01 = 1; packages = 1; }; }')
  expectEnd(await deploy({ version: 'v2', ...checks }, { 'flake-check': 'true' }), 'failed', /HD-NIX-02/, /flake check/)
  expectEnd(await deploy({ version: 'v2', system: 's2', machine: 'aarch64-linux' }), 'failed', /HD-NIX-07/, /aarch64/)

  // A repository of the host's own, which is somebody else's: built as that user, from its root, and what git does not know is named.
  await host.sh(
    `cp -r ${app.path} /home/limited/hosts; cd /home/limited/hosts; git init -q; git add -A; git -c user.name=x -c user.email=x@example.org commit -qm x; echo SECRET=1 >nixos/.env; echo x >forgotten; chown -R limited: .`,
  )
  const own = { flake: '/home/limited/hosts/nixos#home-lab-01', sync: 'none', path: '', protect: '', restart: '' }
  const alone = await deploy({ version: 'v2' }, { ...own, name: 'alone', health: '' })
  expectEnd(alone, 'deployed')
  expect(warnings(alone)).toMatch(/git does not know them: .*forgotten/)
  // By a reference, it is Nix itself that has to read it.
  const byReference = {
    ...own,
    flake: 'git+file:///home/limited/hosts?dir=nixos#home-lab-01',
    name: 'remote',
    health: '',
  }
  expectEnd(await deploy({ version: 'v2' }, byReference), 'failed', /HD-NIX-01/, /belongs to another user/)
  await host.sh('chown -R root: /home/limited/hosts/.git /home/limited/hosts')
  expectEnd(await deploy({ version: 'v2' }, byReference), 'deployed')
  const stale = '{ inputs.x = { url = "path:/etc/nix"; flake = false; }; outputs = _: {}; }'
  expectEnd(await deploy({ version: 'v2', ...flake(stale) }), 'failed', /HD-NIX-01/, /flake\.lock/)
  await host.sh('rm -rf /home/limited/hosts/.git')
  expectEnd(
    await deploy({ version: 'v2' }, { ...own, name: 'alone', force: 'true', health: '' }),
    'failed',
    /HD-NIX-06/,
    /\.env/,
  )

  // A boot partition without room for another kernel.
  await host.sh('cp -P /boot/default /tmp/; mount -t tmpfs -o size=16k tmpfs /boot; cp -P /tmp/default /boot/')
  const large = await deploy({ version: 'v2', system: 's2', kernel: 'x'.repeat(40_000) })
  expectEnd(large, 'failed', /HD-NIX-08/, /\/boot has no room/)
  await host.sh('umount /boot')

  // Room for the tree of the release, and not for what Nix makes of it.
  const blob = { files: { 'nixos/blob': 'x'.repeat(4_000_000) } }
  await host.fillDisk()
  await host.sh('truncate -s -7M /var/filler')
  expectEnd(await deploy({ version: 'v3', system: 's3', ...blob }), 'failed', 'HD-DISK-01')
  await host.freeDisk()
  await app.expect('v1', 's1')
  expect(await host.sh('systemctl show -p InvocationID --value nakamura-misaki-api')).toBe(serving)
})

test.concurrent('a user who may run nixos-rebuild only, and a system that the runner has built', async () => {
  await using host = await labHost({ name: 'home-lab-04', user: 'limited', layers: ['nix'] })
  await using app = await NixApp.create(host, '/home/limited/lab-project')
  await using runner = await RunnerNix.create({ colmena: false })
  await app.install()
  const deploy = deployer(app)
  const refused = expectEnd(await deploy({ version: 'v1', system: 's1' }), 'failed', 'HD-SUDO-01')
  const file = /^limited ALL=.*\n(?: {2}.*\n)*/m.exec(refused)?.[0] ?? ''
  await host.sh('cat >/etc/sudoers.d/nixos; chmod 440 /etc/sudoers.d/nixos; visudo -c', { input: file })

  expectEnd(await deploy({ version: 'v1', system: 's1' }), 'deployed')
  await app.expect('v1', 's1')
  expectEnd(await deploy({ version: 'v2', system: 's2', code: '500' }), 'rolled-back', 'HD-HEALTH-01')
  await app.expect('v1', 's1')
  expectEnd(await deploy({ version: 'v3', system: 's3', code: '500' }, { activation: 'native' }), 'rolled-back')
  await app.expect('v1', 's1')
  expectEnd(await deploy({ version: 'v4', system: 's4' }, { activation: 'native' }), 'deployed')
  await app.expect('v4', 's4')
  // Nobody but root can end its unit: the way back waits for that.
  const slow = await deploy({ version: 'v5', system: 's9', behaviour: 'slow' }, { 'confirm-timeout': '10s' })
  expectEnd(slow, 'rolled-back', /HD-GUARD-01/)
  await app.expect('v4', 's4')

  const built = { 'build-on': 'runner' }
  const onRunner = async (version: Version) =>
    await app.run(await app.commit(version), { ...inputsOf(app), ...built }, { path: [runner.bin] })
  expectEnd(await onRunner({ version: 'v5', system: 's5' }), 'failed', /HD-NIX-05/, /trusted-users/)
  await host.sh('echo "trusted-users = root limited" >>/etc/nix/nix.conf; systemctl restart nix-daemon')
  const fifth = await onRunner({ version: 'v5', system: 's5' })
  expectEnd(fifth, 'deployed')
  await app.expect('v5', 's5')
  // The host has built nothing of it: what it would have built from is not there.
  expect(await host.sh("ls /nix/store | grep 's5.drv$' || true")).toBe('')

  // The store path of a system that was built at some other time.
  const system = await host.sh(`readlink ${app.state}/releases/*-*/nix/system | grep s1$`)
  expectEnd(await deploy({ version: 'v6' }, { flake: system }), 'deployed')
  await app.expect('v6', 's1')
})

test.concurrent('the recipe of home-lab-01, with its database', async () => {
  await using host = await labHost({ name: 'home-lab-05', user: 'deploy', layers: ['nix-databases'] })
  await using app = await NixApp.create(host)
  await app.install()
  await host.sh(
    `for i in $(seq 100); do runuser -u postgres -- psql -c "" 2>/dev/null && break; sleep 0.2; done; cd /; runuser -u postgres -- createuser deploy; runuser -u postgres -- createdb -O deploy nakamura_misaki
cd ${app.path}/nakamura-misaki; mkdir data; echo kept >data/rows; chown -R deploy: data`,
  )
  const values = {
    SSH_USER: host.user,
    SSH_HOST: host.address,
    SSH_KEY: host.clientKey.private,
    TS_AUTHKEY: '',
    to: '',
    HOMELAB_HOST_KEY: host.knownHostsLine,
  }
  const inputs = { ...recipe('home-lab-01-nixos', values), ...hurry }
  const script = (sql: string) =>
    `import subprocess\nsubprocess.run(['psql', '-Xqd', 'nakamura_misaki', '-v', 'ON_ERROR_STOP=1', '-c', ${JSON.stringify(sql)}], check=True)\n`
  const files = {
    'nakamura-misaki/scripts/init_db.py': script('create table if not exists users (name text)'),
    'nakamura-misaki/scripts/migrate_to_postgresql.py': script("insert into users values ('somebody')"),
  }
  const deploy = async (version: Version) =>
    await app.run(await app.commit({ ...version, files: { ...files, ...version.files } }), inputs)
  const started = async () => await host.sh('systemctl show -p InvocationID --value nakamura-misaki-api')

  expectEnd(await deploy({ version: 'v1', system: 's1' }), 'deployed')
  await app.expect('v1', 's1')
  const serving = await started()
  const broken = { 'nakamura-misaki/scripts/migrate_to_postgresql.py': script('insert into nothing values (1)') }
  expectEnd(await deploy({ version: 'v2', system: 's2', files: broken }), 'rolled-back', /HD-DATA-05/)
  await app.expect('v1', 's1')
  expect(await started()).toBe(serving)
  expectEnd(await deploy({ version: 'v3', system: 's3', code: '500' }), 'rolled-back', /HD-HEALTH-01/)
  await app.expect('v1', 's1')
  expectEnd(await deploy({ version: 'v4', system: 's4' }), 'deployed')
  await app.expect('v4', 's4')
  expectEnd(await app.run('', recipe('home-lab-01-nixos', values, 1)), 'deployed')
  await app.expect('v1', 's1')
  expect(
    await host.sh(`cat ${app.path}/nakamura-misaki/data/rows; ls ${app.state}/backups | sed 's/-[^-]*$//' | sort -u`),
  ).toBe('kept\npostgres-nakamura_misaki\ntar-data')
})
