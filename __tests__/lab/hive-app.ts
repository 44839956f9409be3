import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type ActionRun, type RunOptions, type RunResult, startAction } from '../helpers/run-action.ts'
import { readTree, writeTree } from '../helpers/tree.ts'
import { until } from './command.ts'
import { type LabHost, labHost } from './host.ts'
import { authorizedKeysFile } from './image.ts'
import { realColmena } from './real-colmena.ts'
import { RunnerNix } from './runner-nix.ts'

const names = ['cartographer-staging', 'cartographer-prod'] as const

export interface Version {
  /** Of the system. */
  readonly label: string
  /** The service answers 500 on these nodes, or its activation fails with a unit. */
  readonly ill?: 'staging' | 'prod'
  /** What the activation ends with. */
  readonly exit?: string
  readonly system?: string
  /** Nothing is read from the environment of the job: the keys come from a command, and from the hive itself. */
  readonly pure?: boolean
  /** A `hive.nix` alone, instead of a flake. */
  readonly plain?: boolean
  /** More of `deployment` of both nodes. */
  readonly deployment?: Readonly<Record<string, unknown>>
  /** More files of the repository, tracked by git. */
  readonly files?: Readonly<Record<string, string>>
}

const here = join(import.meta.dirname, 'hive')

/** Cartographer: a hive with two nodes, both real hosts, and a runner with the real Nix. */
export class HiveApp implements AsyncDisposable {
  readonly staging: LabHost
  readonly prod: LabHost
  readonly nix: RunnerNix
  readonly folder: string

  private constructor(staging: LabHost, prod: LabHost, nix: RunnerNix, folder: string) {
    this.staging = staging
    this.prod = prod
    this.nix = nix
    this.folder = folder
  }

  static async create(): Promise<HiveApp> {
    const [staging, prod] = await Promise.all([
      labHost({ name: names[0], user: 'root', layers: ['nix'] }),
      labHost({ name: names[1], user: 'deploy', layers: ['nix'] }),
    ])
    await prod.sh(`echo '${staging.clientKey.public}' >>${authorizedKeysFile}`)
    const folder = await mkdtemp(join(tmpdir(), 'lab-hive-'))
    const app = new HiveApp(staging, prod, await RunnerNix.create(), folder)
    app.#git('init', '-q', '-b', 'main')
    try {
      await app.install()
      return app
    } catch (error) {
      await app[Symbol.asyncDispose]()
      throw error
    }
  }

  get hosts(): readonly LabHost[] {
    return [this.staging, this.prod]
  }

  async commit({ label, ill, exit = '0', plain = false, files = {}, ...facts }: Version): Promise<string> {
    // As Terraform writes down what it made.
    const infra = ({ address, user }: LabHost) => {
      const { system = 'x86_64-linux', pure = false, deployment = {} } = facts
      return JSON.stringify({ system, pure, deployment: { targetHost: address, targetUser: user, ...deployment } })
    }
    await cp(here, this.folder, { recursive: true })
    await realColmena?.bring(this.folder)
    await writeTree(this.folder, {
      'infra-staging.json': infra(this.staging),
      'infra-prod.json': infra(this.prod),
      'system/label': label,
      'system/ill': ill ?? 'none',
      'system/exit': exit,
      '.gitignore': '.env.production\ntls/\n',
      'hive.nix': 'import ./cartographer.nix',
      ...files,
    })
    if (plain) await rm(join(this.folder, 'flake.nix'))
    this.#git('add', '-A')
    this.#git('commit', '-q', '--allow-empty', '-m', label)
    return this.#git('rev-parse', 'HEAD').trim()
  }

  /** As NixOS was installed there: a first system, set and booted, which has no key yet. Its sh is bash, as colmena expects. */
  async install(): Promise<void> {
    await this.commit({ label: 'zero' })
    const flags = ['--extra-experimental-features', 'nix-command flakes']
    await Promise.all(
      this.hosts.map(async (host, index) => {
        const attribute = `git+file://${this.folder}#colmenaHive.toplevel.${names[index]}`
        const system = this.nix.run('nix', ...flags, 'build', '--impure', '--no-link', '--print-out-paths', attribute)
        const closure = execFileSync(this.nix.program('nix-store'), ['--export', system])
        await host.sh(
          `ln -sfn bash /bin/sh; base64 -d | nix-store --import && nix-env -p /nix/var/nix/profiles/system --set ${system} && ${system}/bin/switch-to-configuration switch`,
          { input: closure.toString('base64') },
        )
        await host.reboot()
      }),
    )
  }

  /** The node to which nobody logs in as root takes what this user sends. */
  async trust(): Promise<void> {
    await this.prod.sh(
      `echo 'trusted-users = root ${this.prod.user}' >>/etc/nix/nix.conf; systemctl restart nix-daemon`,
    )
  }

  /** What the secrets and variables of the repository are, for the page of the recipe; the key is another one with each `secret`. */
  values(secret: string): Record<string, string> {
    const base64 = (text: string) => Buffer.from(text).toString('base64')
    return {
      SSH_KEY: this.staging.clientKey.private,
      CARTOGRAPHER_HOST_KEY: this.hosts.map(({ knownHostsLine }) => knownHostsLine).join('\n'),
      ENV_PRODUCTION: base64(`${secret}\n`),
      TLS_KEY: base64(`-----BEGIN of ${secret}-----\n`),
    }
  }

  start(sha: string, inputs: Record<string, string>, options: Partial<RunOptions> = {}): ActionRun {
    const path = [this.nix.bin]
    return startAction({ workspace: this.folder, sha, inputs, path, timeoutMs: 120_000, ...options })
  }

  async run(sha: string, inputs: Record<string, string>, options: Partial<RunOptions> = {}): Promise<RunResult> {
    const result = await this.start(sha, inputs, options).finished
    await this.expectNoSecrets()
    return result
  }

  /** In the checkout there is what git knows, and nothing else. */
  async expectNoSecrets(): Promise<void> {
    const names = Object.keys(await readTree(this.folder)).filter((name) => !name.startsWith('.git/'))
    expect(names.filter((name) => /env\.production|tls/.test(name))).toEqual([])
  }

  async answer(host: LabHost): Promise<string> {
    const { stdout } = await host.try('curl -s --max-time 2 http://127.0.0.1:8080/health')
    return stdout
  }

  /** What answers and with which key; what boots; and that nobody is at it any more. */
  async expect(host: LabHost, label: string, key: string, boots = label): Promise<void> {
    const says = JSON.stringify({ label, key }).replaceAll(' ', '')
    const now = async () => (await this.answer(host)).replaceAll(' ', '')
    await until(says, async () => (await now()) === says, 15_000, 200).catch(async () => expect(await now()).toBe(says))
    const links = await host.sh('readlink -f /run/current-system /nix/var/nix/profiles/system /boot/default')
    expect(links.split('\n').map((link) => link.replace(/.*-cartographer-\w+-/, ''))).toEqual([label, boots, boots])
    const left = async () =>
      await host.sh('cd /var/lib/homelab-deploy/cartographer && ls -d lock pending.json work 2>/dev/null; true')
    await until('the host to be done', async () => (await left()) === '', 90_000, 500)
  }

  #git(...args: string[]): string {
    const who = ['-c', 'user.name=lab', '-c', 'user.email=lab@example.org', '-c', 'commit.gpgsign=false']
    return execFileSync('git', [...who, '-C', this.folder, ...args], { encoding: 'utf8' })
  }

  async [Symbol.asyncDispose]() {
    await rm(this.folder, { recursive: true, force: true })
    await this.nix[Symbol.asyncDispose]()
    for (const host of this.hosts) await host[Symbol.asyncDispose]()
  }
}
