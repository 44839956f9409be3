import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type RunOptions, type RunResult, startAction } from '../helpers/run-action.ts'
import { writeTree } from '../helpers/tree.ts'
import { until } from './command.ts'
import type { LabHost } from './host.ts'

/**
 * How a system behaves when it is activated. `unit`: another unit of it fails; `refuses`, `snippet`, `init`, `crash`: the exit
 * codes 1, 2, 100 and 101; `snippet-unit`: 4 in place of the 2; `slow` takes its time; `bounce` restarts sshd and the network, `cut` ends them for good; `bootless` and `slow-boot`: what boots cannot be set, or takes its time.
 */
export type Behaviour =
  | 'good'
  | 'unit'
  | 'refuses'
  | 'snippet'
  | 'snippet-unit'
  | 'slow'
  | 'init'
  | 'crash'
  | 'hang'
  | 'bounce'
  | 'cut'
  | 'bootless'
  | 'slow-boot'

export interface Version {
  /** Of the code beside the system. */
  readonly version: string
  /** Of the system: the unit of the service, and with it the service, is another for each. */
  readonly system?: string
  readonly behaviour?: Behaviour
  /** The code ends at once, says 500, or is well. */
  readonly code?: 'good' | '500' | 'ends'
  readonly kernel?: string
  readonly machine?: string
  readonly files?: Readonly<Record<string, string>>
}

const api = `import http.server, json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
read = lambda name: open(os.path.join(here, name)).read().strip()
answer = {'version': read('VERSION'), 'system': os.environ['SYSTEM']}
code = read('CODE')
if code == 'ends': sys.exit('the code of ' + answer['version'] + ' ends')
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if code == '500' else 200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('127.0.0.1', 10000), Handler).serve_forever()
`

/**
 * Raw derivations, for there is no nixpkgs here; with the names and the links that those of NixOS have. What it needs
 * lies beside its own folder, as in a repository of many things, or in it.
 */
const flake = (base: string) => `{
  outputs = { self }: let
    make = name: script: derivation {
      inherit name;
      system = "x86_64-linux";
      builder = "/bin/sh";
      PATH = "/usr/bin:/bin";
      args = [ "-euc" script ];
    };
    unit = name: make "unit-\${name}" "mkdir $out; cp \${${base}/units + "/\${name}"} $out/\${name}";
    link = name: "ln -s \${unit name}/\${name} $out/";
    units = make "system-units" "mkdir $out; \${builtins.concatStringsSep "; " (map link (builtins.attrNames (builtins.readDir ${base}/units)))}";
  in {
    nixosConfigurations.home-lab-01.config.system.build.toplevel = make "nixos-system-home-lab-01-\${builtins.readFile ${base}/system/label}"
      "mkdir -p $out/bin $out/etc/systemd; cp -r \${${base}/system}/. $out/; ln -s \${units} $out/etc/systemd/system; mv $out/switch-to-configuration $out/bin/; chmod +x $out/bin/*; ln -sf \${builtins.toFile "linux" (builtins.readFile ${base}/system/kernel)} $out/kernel";
  };
}
`

/** As the one of NixOS does it, and with its exit codes; the units are those that the generator of the lab knows. */
const switcher = `#!/bin/sh
out=$(readlink -f "$0"); out=\${out%/bin/*}
behaviour=$(cat "$out/behaviour")
mkdir -p /run/nixos
exec 9>/run/nixos/switch-to-configuration.lock
flock -n 9 || { echo 'Could not acquire lock' >&2; exit 11; }
boot() {
  [ "$behaviour" != bootless ] || { echo "cannot copy the kernel: No space left on device" >&2; exit 1; }
  [ "$behaviour" != slow-boot ] || sleep 6
  ln -sfn "$out" /boot/default.new && mv -T /boot/default.new /boot/default
}
units=$out/etc/systemd/system; old=/run/current-system/etc/systemd/system
# Who is stopped before the activation and started after it was changed.
dry() {
  stop= start=
  for unit in "$old"/*.service; do
    name=\${unit##*/}
    cmp -s "$unit" "$units/$name" || { stop="$stop, $name"; [ ! -e "$units/$name" ] || start="$start, $name"; }
  done
  [ -z "$stop" ] || echo "would stop the following units: \${stop#, }" >&2
  echo 'would activate the configuration...' >&2
  [ -z "$start" ] || echo "would start the following units: \${start#, }" >&2
}
case $1 in
  boot) boot; exit 0 ;; switch) boot ;; test) ;; dry-activate) ;;
  *) echo "Usage: switch-to-configuration [check|switch|boot|test|dry-activate]" >&2; exit 1 ;;
esac
[ "$behaviour" != refuses ] || [ "$1" != test ] || { echo 'Pre-switch checks failed' >&2; exit 1; }
[ "$behaviour" != init ] || { echo "this configuration requires a reboot" >&2; exit 100; }
[ "$1" != dry-activate ] || { dry; exit 0; }
for unit in "$old"/*.service; do [ -e "$units/\${unit##*/}" ] || systemctl stop "\${unit##*/}"; done
[ "$behaviour" != hang ] || sleep 1000
[ "$behaviour" != slow ] || sleep 25
case $behaviour in cut | bounce) ip link set eth0 down; systemctl stop ssh.socket ssh.service; pkill -KILL sshd ;; esac
[ "$behaviour" != bounce ] || sleep 3
[ "$behaviour" = cut ] || { ip link set eth0 up; systemctl start ssh.service; }
changed=
for unit in "$units"/*.service; do cmp -s "$unit" "$old/\${unit##*/}" || changed="$changed \${unit##*/}"; done
ln -sfn "$out" /run/current-system
systemctl daemon-reload
systemctl reset-failed
[ -z "$changed" ] || { echo "restarting$changed"; systemctl restart $changed; }
# The targets that are active, and with them all that they want.
! systemctl --quiet is-active multi-user.target || systemctl start multi-user.target
[ "$behaviour" != crash ] || exit 101
code=0
case $behaviour in snippet*) echo "Activation script snippet 'users' failed (1)" >&2; echo 'Failed to run activate script' >&2; code=2 ;; esac
sleep 0.3
failed=$(systemctl list-units --state=failed --plain --no-legend | awk '{print $1}' | tr '\\n' ' ')
[ -z "$failed" ] || { echo "warning: the following units failed: $failed" >&2; code=4; }
exit "$code"
`

const unit = (path: string, system: string) => `[Service]
Environment=SYSTEM=${system}
ExecStart=/usr/bin/python3 ${path}/nakamura-misaki/api.py
`

/** The flake of a system, and all that it is built from, in files of a repository. */
export function systemFiles(
  { system = 's0', behaviour = 'good', kernel = '6.12', machine = 'x86_64-linux' }: Omit<Version, 'version'>,
  units: Readonly<Record<string, string>>,
  base: '.' | '..' = '..',
): Record<string, string> {
  const files = {
    'system/label': system,
    'system/behaviour': behaviour,
    'system/kernel': kernel,
    'system/system': machine,
    'system/nixos-version': '25.11.lab',
    'system/switch-to-configuration': switcher,
    ...Object.fromEntries(Object.entries(units).map(([name, text]) => [`units/${name}`, text])),
    ...(/unit$/.test(behaviour) && { 'units/broken.service': '[Service]\nType=oneshot\nExecStart=/bin/false\n' }),
  }
  const inside = Object.entries(files).map(([name, text]) => [base === '.' ? `nixos/${name}` : name, text])
  return { 'nixos/flake.nix': flake(base), ...Object.fromEntries(inside) }
}

/**
 * What the real nixos-rebuild does around the build, which the stand-in of the image does: it lies in the store, begins by looking
 * for a newer one and ends where there is none, sets no profile to what is no system, and activates in a unit of its own.
 */
const rebuild = `#!/bin/sh
for word in "$@"; do case $word in *#*) flake=$word ;; esac; done
if [ -n "\${flake-}" ] && [ -z "\${_NIXOS_REBUILD_REEXEC-}" ]; then
  _NIXOS_REBUILD_REEXEC=1; export _NIXOS_REBUILD_REEXEC
  new=$(nix --extra-experimental-features 'nix-command flakes' build --impure --no-link --print-out-paths "\${flake%#*}#nixosConfigurations."\${flake#*#}".config.system.build.nixos-rebuild") || exit 1
  exec "$new/bin/nixos-rebuild" "$@"
fi
verb=$1; shift
/usr/local/lib/nixos-rebuild build "$@" || exit
system=$(readlink -f result); rm -f result
case $verb in switch | boot)
  [ -f "$system/nixos-version" ] || { echo 'error: your NixOS configuration path seems to be missing essential files.' >&2; exit 1; }
  nix-env -p /nix/var/nix/profiles/system --set "$system" || exit ;;
esac
NIXOS_INSTALL_BOOTLOADER=0; export NIXOS_INSTALL_BOOTLOADER
set -- systemd-run -E LOCALE_ARCHIVE -E NIXOS_INSTALL_BOOTLOADER -E NIXOS_NO_CHECK --collect --no-ask-password --pipe --quiet --service-type=exec --unit=nixos-rebuild-switch-to-configuration "$system/bin/switch-to-configuration" "$verb"
"$@" >&2 || { code=$?; echo "Command '$*' returned non-zero exit status $code." >&2; exit "$code"; }
echo "Done. The new configuration is $system"
`

/** As somebody did it by hand: built, set and booted. */
export async function installSystem(host: LabHost, path: string): Promise<void> {
  await host.sh(
    `mkdir -p /tmp/own/bin; cat >/tmp/own/bin/nixos-rebuild; chmod 755 /tmp/own/bin/nixos-rebuild
mv /usr/local/bin/nixos-rebuild /usr/local/lib/; ln -s "$(nix-store --add /tmp/own)/bin/nixos-rebuild" /usr/local/bin/`,
    { input: rebuild },
  )
  await host.sh(`_NIXOS_REBUILD_REEXEC=1; export _NIXOS_REBUILD_REEXEC
for each in current booted; do ln -sfn /run/$each-system /nix/var/nix/gcroots/$each-system; done
nixos-rebuild switch --flake "path:${path}?dir=nixos#home-lab-01" || [ $? = 4 ]`)
  await host.reboot()
}

/** home-lab-01: the flake of the system and the code of a service in one repository, and a host that runs both. */
export class NixApp implements AsyncDisposable {
  readonly host: LabHost
  readonly path: string
  readonly folder: string

  private constructor(host: LabHost, path: string, folder: string) {
    this.host = host
    this.path = path
    this.folder = folder
  }

  static async create(host: LabHost, path = '/home/deploy/projects/lab-project'): Promise<NixApp> {
    const app = new NixApp(host, path, await mkdtemp(join(tmpdir(), 'lab-nix-')))
    app.#git('init', '-q', '-b', 'main')
    return app
  }

  get state(): string {
    const { user } = this.host
    return `${user === 'root' ? '/var/lib' : `/home/${user}/.local/state`}/homelab-deploy/home-lab`
  }

  /** What a deploy of it is given, whatever else a story wants. */
  get inputs(): Record<string, string> {
    return {
      host: this.host.target,
      'ssh-key': this.host.clientKey.private,
      'host-key': this.host.knownHostsLine,
      name: 'home-lab',
      strategy: 'nixos-rebuild',
      flake: './nixos#home-lab-01',
      path: this.path,
      restart: 'nakamura-misaki-api',
      'health-timeout': '5s',
      'health-stable': '1s',
    }
  }

  /** A commit of this version; its id. */
  async commit(version: Version): Promise<string> {
    const { system = 's0', code = 'good' } = version
    await rm(join(this.folder, 'units'), { recursive: true, force: true })
    await writeTree(this.folder, {
      'nakamura-misaki/api.py': api,
      'nakamura-misaki/VERSION': version.version,
      'nakamura-misaki/CODE': code,
      ...systemFiles(version, { 'nakamura-misaki-api.service': unit(this.path, system) }),
      '.gitignore': 'data\n.env\n',
      ...version.files,
    })
    this.#git('add', '-A')
    this.#git('commit', '-q', '--allow-empty', '-m', version.version)
    return this.#git('rev-parse', 'HEAD').trim()
  }

  /** As somebody set it up by hand: the repository is there, and the system was built from it, set and booted. */
  async install(version: Version = { version: 'v0' }): Promise<void> {
    await this.commit(version)
    const archive = execFileSync('tar', ['-C', this.folder, '--exclude=.git', '-c', '.']).toString('base64')
    const parents = this.path.slice(0, this.path.lastIndexOf('/'))
    await this.host.sh(
      `install -d -o ${this.host.user} ${parents} ${this.path}; cd ${this.path} && base64 -d | tar x --no-same-owner && chown -R ${this.host.user}: .`,
      { input: archive },
    )
    await installSystem(this.host, this.path)
    await this.expect('v0', version.system ?? 's0')
  }

  async run(sha: string, inputs: Record<string, string>, options: Partial<RunOptions> = {}): Promise<RunResult> {
    return await this.start(sha, inputs, options).finished
  }

  start(sha: string, inputs: Record<string, string>, options: Partial<RunOptions> = {}) {
    return startAction({ workspace: this.folder, sha, inputs, timeoutMs: 120_000, ...options })
  }

  async answer(): Promise<string> {
    const { stdout } = await this.host.try('curl -s --max-time 2 http://127.0.0.1:10000/health')
    return stdout
  }

  /** What answers, what runs, and what the next boot would start. */
  async expect(version: string, system: string, boots = system): Promise<void> {
    const says = JSON.stringify({ version, system })
    await until(
      says,
      async () => (await this.answer()).replaceAll(' ', '') === says.replaceAll(' ', ''),
      15_000,
      200,
    ).catch(async () => expect(await this.answer()).toBe(says))
    const left = async () =>
      await this.host.sh(`cd ${this.state} 2>/dev/null && ls -d lock pending.json work 2>/dev/null; true`)
    await until('the host to be done', async () => (await left()) === '', 15_000, 200).catch(async () =>
      expect(await left()).toBe(''),
    )
    const links = await this.host.sh('readlink -f /run/current-system /nix/var/nix/profiles/system /boot/default')
    expect(links.split('\n').map((link) => link.replace(/.*-home-lab-01-/, ''))).toEqual([system, boots, boots])
  }

  async generation(): Promise<string> {
    return await this.host.sh("readlink /nix/var/nix/profiles/system | tr -dc '0-9'")
  }

  #git(...args: string[]): string {
    const who = ['-c', 'user.name=lab', '-c', 'user.email=lab@example.org', '-c', 'commit.gpgsign=false']
    return execFileSync('git', [...who, '-C', this.folder, ...args], { encoding: 'utf8' })
  }

  async [Symbol.asyncDispose]() {
    await rm(this.folder, { recursive: true, force: true })
  }
}
