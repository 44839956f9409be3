import { chmod, readdir } from 'node:fs/promises'
import { expect } from 'vitest'
import { readProcess } from '../helpers/processes.ts'
import { type ActionRun, type RunOptions, type RunResult, startAction } from '../helpers/run-action.ts'
import { type Scratch, scratch } from '../helpers/scratch.ts'
import { writeTree } from '../helpers/tree.ts'
import { domain, type Headscale } from './headscale.ts'
import type { LabHost } from './host.ts'
import { tailnetApi } from './tailnet-api.ts'

type Inputs = Record<string, string>
export type Job = Partial<RunOptions> & { readonly during?: (run: ActionRun) => void }

/** Jobs on a runner that is outside of the tailnet, and deploy a file into it. */
export class TailnetJobs implements AsyncDisposable {
  readonly headscale: Headscale
  readonly api: Awaited<ReturnType<typeof tailnetApi>>
  /** Of these jobs alone: what others left on this machine is not theirs. */
  readonly #temp: Scratch
  #seen: readonly string[] = []
  #runs = 0

  private constructor(headscale: Headscale, api: TailnetJobs['api'], temp: Scratch) {
    this.headscale = headscale
    this.api = api
    this.#temp = temp
  }

  static async over(headscale: Headscale): Promise<TailnetJobs> {
    const temp = await scratch('tailnet-temp')
    await chmod(temp.path, 0o1777)
    return new TailnetJobs(headscale, await tailnetApi(headscale), temp)
  }

  /** What every job needs here: the control server, its certificate, and programs without a download. */
  get inputs(): Inputs {
    return { 'tailnet-login-server': this.headscale.url, 'tailnet-binary': this.headscale.programs }
  }

  get env(): Inputs {
    return { SSL_CERT_FILE: this.headscale.authority, TMPDIR: this.#temp.path }
  }

  /** With nothing secret: the job says who it is, and the policy lets it in. */
  get byIdentity(): Inputs {
    return { 'tailnet-client-id': 'lab-identity', 'tailnet-api-url': this.api.url }
  }

  async byKey(): Promise<Inputs> {
    return { 'tailnet-authkey': await this.headscale.key('tag:ci') }
  }

  /** Deploys `release` as \`version\` to the user's home, as `user@NAME.tail…`; \`inputs\` says how to join. */
  async deploy(host: LabHost, version: string | { base64: string }, inputs: Inputs, job: Job = {}): Promise<RunResult> {
    await using workspace = await scratch('tailnet-workspace')
    await writeTree(workspace.path, { version })
    const { during, ...options } = job
    const run = startAction({
      ...options,
      workspace: workspace.path,
      sha: `${++this.#runs}`.padStart(40, '0123456789abcdef'),
      env: { ...this.env, SSH_AUTH_SOCK: undefined, ...this.api.oidc, ...options.env },
      inputs: {
        ...this.inputs,
        host: `${host.user}@${host.name}.${domain}`,
        'host-key': 'tailnet',
        name: 'app',
        path: '~/app',
        strategy: 'script',
        activate: 'cp version ../serves; echo activated',
        'connect-timeout': '40s',
        'confirm-timeout': '30s',
        'health-stable': '500ms',
        'health-timeout': '5s',
        ...inputs,
      },
    })
    during?.(run)
    return await run.finished
  }

  /** The version that the last deploy to this host left. */
  async serves(host: LabHost): Promise<string> {
    return (await host.try('cat serves', { user: host.user })).stdout || (await host.sh(`cat ~${host.user}/serves`))
  }

  /** No node at the control server, no process and no folder on the runner. What one story left is held against it alone. */
  async expectNothingLeft(withinMs = 0): Promise<void> {
    const left = async () => (await this.#left()).filter((each) => !this.#seen.includes(each))
    try {
      if (withinMs === 0) expect(await left()).toEqual([])
      else await expect.poll(left, { timeout: withinMs, interval: 200 }).toEqual([])
    } finally {
      this.#seen = await this.#left()
    }
  }

  async #left(): Promise<string[]> {
    const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    const processes = ids.map((id) => readProcess(Number(id)).argv.join(' '))
    return [
      ...(await this.headscale.runners()),
      ...processes.filter((argv) => argv.includes(`${this.#temp.path}/`)),
      ...(await readdir(this.#temp.path)),
    ]
  }

  async [Symbol.asyncDispose]() {
    await this.api[Symbol.asyncDispose]()
    await this.#temp[Symbol.asyncDispose]()
  }
}
