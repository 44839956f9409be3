import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type RunOptions, type RunResult, startAction } from '../helpers/run-action.ts'
import { writeTree } from '../helpers/tree.ts'
import { until } from './command.ts'
import type { LabHost } from './host.ts'
import { lockOf, signed, workspaceFiles } from './uv-layer.ts'

export type Behaviour = 'good' | '500' | 'crash' | 'crash-later' | 'hang' | 'import' | 'migrate'

export interface Version {
  readonly version: string
  readonly behaviour?: Behaviour
  /** With one more dependency, in pyproject.toml and in the lock. */
  readonly signed?: boolean
  /** Only in pyproject.toml. */
  readonly stale?: boolean
  /** More files, or others. */
  readonly files?: Readonly<Record<string, string>>
}

export interface Answer {
  readonly version: string
  readonly signed: boolean
  readonly greeting: string
}

/** EgoGraph on a lab host, and its repository on the runner. */
export class UvApp implements AsyncDisposable {
  readonly host: LabHost
  readonly path: string
  readonly folder: string
  /** The folder of the project in the repository. */
  readonly #inside: string

  private constructor(host: LabHost, path: string, folder: string, inside: string) {
    this.host = host
    this.path = path
    this.folder = folder
    this.#inside = inside
  }

  static async create(host: LabHost, path = '/opt/egograph/repo', inside = '.'): Promise<UvApp> {
    const folder = await mkdtemp(join(tmpdir(), 'lab-uv-'))
    const app = new UvApp(host, path, folder, inside)
    app.#git('init', '-q', '-b', 'main')
    return app
  }

  /** A commit of this version; its id. */
  async commit({
    version,
    behaviour = 'good',
    signed: more = false,
    stale = false,
    files = {},
  }: Version): Promise<string> {
    const sources = workspaceFiles()
    const backend = sources['backend/pyproject.toml'] ?? ''
    await writeTree(join(this.folder, this.#inside), {
      ...Object.fromEntries(
        Object.entries(sources).map(([name, text]) => [name, text.replaceAll('/opt/egograph/repo', this.path)]),
      ),
      'backend/pyproject.toml': more || stale ? signed(backend) : backend,
      'uv.lock': await lockOf(more ? 'signed' : 'plain'),
      VERSION: `${version}\n`,
      BEHAVIOUR: `${behaviour}\n`,
      '.gitignore': '.venv\n__pycache__\n*.db\n',
      ...files,
    })
    this.#git('add', '-A')
    this.#git('commit', '-q', '--allow-empty', '-m', version)
    return this.#git('rev-parse', 'HEAD').trim()
  }

  /** `uv.lock` and the rest as of the clone that people made by hand, with all that they have done to it. */
  async cloneOnHost(unit = true): Promise<void> {
    const bundle = join(this.folder, '.git', 'clone.bundle')
    this.#git('bundle', 'create', '-q', bundle, 'main')
    const owner = this.host.user
    await this.host.sh(`install -d -o ${owner} -g ${owner} ${this.path}`)
    await writeFile(join(this.host.root, 'tmp/clone.bundle'), execFileSync('cat', [bundle]))
    await this.host.sh(
      `git clone -q -b main /tmp/clone.bundle ${this.path} && cd ${this.path} && mkdir -p data && export UV_CACHE_DIR=/var/cache/uv UV_OFFLINE=1 UV_LINK_MODE=copy && ~/.local/bin/uv sync -q --all-packages`,
      { user: owner },
    )
    if (!unit) return
    await this.host.sh(
      `cp ${this.path}/deploy/egograph-backend.service /etc/systemd/system/; systemctl daemon-reload; systemctl enable -q --now egograph-backend`,
    )
  }

  async run(sha: string, inputs: Record<string, string>, options: Partial<RunOptions> = {}): Promise<RunResult> {
    return await startAction({ workspace: this.folder, sha, inputs, timeoutMs: 200_000, ...options }).finished
  }

  get values(): Record<string, string> {
    const { host } = this
    return {
      SSH_USER: host.user,
      SSH_HOST: host.address,
      SSH_KEY: host.clientKey.private,
      EGOGRAPH_HOST_KEY: host.knownHostsLine,
      HOMELAB_HOST_KEY: host.knownHostsLine,
      to: '',
    }
  }

  get state(): string {
    return this.host.user === 'root'
      ? '/var/lib/homelab-deploy/egograph'
      : `/home/${this.host.user}/.local/state/homelab-deploy/egograph`
  }

  async answer(): Promise<Answer | string> {
    const { stdout } = await this.host.try('curl -s --max-time 3 http://127.0.0.1:8000/health')
    try {
      return JSON.parse(stdout) as Answer
    } catch {
      return stdout
    }
  }

  async expectVersion(version: string, more: Partial<Answer> = {}): Promise<void> {
    expect(await this.answer()).toMatchObject({ version, ...more })
    expect(await this.host.sh(`cd ${this.path}; ls -d .venv*`)).toBe('.venv')
    const left = async () => await this.host.sh(`cd ${this.state}; ls -d lock pending.json work 2>/dev/null; true`)
    await until('the host to be done', async () => (await left()) === '', 10_000, 200)
  }

  #git(...args: string[]): string {
    const who = ['-c', 'user.name=lab', '-c', 'user.email=lab@example.org', '-c', 'commit.gpgsign=false']
    return execFileSync('git', [...who, '-C', this.folder, ...args], { encoding: 'utf8' })
  }

  async [Symbol.asyncDispose]() {
    await rm(this.folder, { recursive: true, force: true })
  }
}
