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
 * How a system behaves when it is activated. `unit`: another unit of it fails; `snippet`, `init`, `crash`: the exit
 * codes 2, 100 and 101; `bounce` restarts sshd and the network, `cut` ends them for good; `bootless` and `slow-boot`: what boots cannot be set, or takes its time.
 */
export type Behaviour =
  | 'good'
  | 'unit'
  | 'snippet'
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

/** A raw derivation: there is no nixpkgs here. What it needs lies above its own folder, as in a repository of many things. */
const flake = `{
  outputs = { self }: {
    nixosConfigurations.home-lab-01.config.system.build.toplevel = derivation {
      name = "nixos-system-home-lab-01-\${builtins.readFile ../system/label}";
      system = "x86_64-linux";
      builder = "/bin/sh";
      PATH = "/usr/bin:/bin";
      args = [ "-euc" "mkdir -p $out/bin $out/etc/systemd; cp -r \${../system}/. $out/; cp -r \${../units} $out/etc/systemd/system; mv $out/switch-to-configuration $out/bin/; chmod +x $out/bin/*; ln -sf \${builtins.toFile "linux" (builtins.readFile ../system/kernel)} $out/kernel" ];
    };
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
case $1 in boot) boot; exit 0 ;; switch) boot ;; test) ;; *) echo "Usage: $0 [switch|boot|test]" >&2; exit 1 ;; esac
[ "$behaviour" != init ] || { echo "this configuration requires a reboot" >&2; exit 100; }
units=$out/etc/systemd/system; old=/run/current-system/etc/systemd/system
for unit in "$old"/*.service; do [ -e "$units/\${unit##*/}" ] || systemctl stop "\${unit##*/}"; done
[ "$behaviour" != hang ] || sleep 1000
case $behaviour in cut | bounce) ip link set eth0 down; systemctl stop ssh.socket ssh.service; pkill -KILL sshd ;; esac
[ "$behaviour" != bounce ] || sleep 3
[ "$behaviour" = cut ] || { ip link set eth0 up; systemctl start ssh.service; }
changed=
for unit in "$units"/*.service; do cmp -s "$unit" "$old/\${unit##*/}" || changed="$changed \${unit##*/}"; done
ln -sfn "$out" /run/current-system
systemctl daemon-reload
systemctl reset-failed
[ -z "$changed" ] || { echo "restarting$changed"; systemctl restart $changed; }
[ "$behaviour" != crash ] || exit 101
[ "$behaviour" != snippet ] || { echo "Activation script snippet 'users' failed (1)" >&2; exit 2; }
sleep 0.3
failed=$(systemctl list-units --state=failed --plain --no-legend | awk '{print $1}' | tr '\\n' ' ')
[ -z "$failed" ] || { echo "warning: the following units failed: $failed" >&2; exit 4; }
`

const unit = (path: string, system: string) => `[Service]
Environment=SYSTEM=${system}
ExecStart=/usr/bin/python3 ${path}/nakamura-misaki/api.py
`

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

  /** A commit of this version; its id. */
  async commit(version: Version): Promise<string> {
    const { system = 's0', behaviour = 'good', code = 'good', kernel = '6.12', machine = 'x86_64-linux' } = version
    await writeTree(this.folder, {
      'nakamura-misaki/api.py': api,
      'nakamura-misaki/VERSION': version.version,
      'nakamura-misaki/CODE': code,
      'nixos/flake.nix': flake,
      'system/label': system,
      'system/behaviour': behaviour,
      'system/kernel': kernel,
      'system/system': machine,
      'system/switch-to-configuration': switcher,
      'units/nakamura-misaki-api.service': unit(this.path, system),
      '.gitignore': 'data\n.env\n',
      ...version.files,
    })
    const broken = join(this.folder, 'units/broken.service')
    if (behaviour === 'unit') {
      await writeTree(this.folder, { 'units/broken.service': '[Service]\nType=oneshot\nExecStart=/bin/false\n' })
    } else await rm(broken, { force: true })
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
      `install -d -o ${this.host.user} ${parents} ${this.path}; cd ${this.path} && base64 -d | tar x --no-same-owner && chown -R ${this.host.user}: .
for each in current booted; do ln -sfn /run/$each-system /nix/var/nix/gcroots/$each-system; done
nixos-rebuild switch --flake "path:${this.path}?dir=nixos#home-lab-01"`,
      { input: archive },
    )
    await this.host.reboot()
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
