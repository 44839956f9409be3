import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect } from 'vitest'
import { readProcess } from '../helpers/processes.ts'
import { type ActionRun, type RunOptions, type RunResult, startAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
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
  #runs = 0

  private constructor(headscale: Headscale, api: TailnetJobs['api']) {
    this.headscale = headscale
    this.api = api
  }

  static async over(headscale: Headscale): Promise<TailnetJobs> {
    return new TailnetJobs(headscale, await tailnetApi(headscale))
  }

  /** What every job needs here: the control server, its certificate, and programs without a download. */
  get inputs(): Inputs {
    return { 'tailnet-login-server': this.headscale.url, 'tailnet-binary': this.headscale.programs }
  }

  get env(): Inputs {
    return { SSL_CERT_FILE: this.headscale.authority }
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
        ...{ name: 'app', path: '~/app', strategy: 'script', activate: 'cp version ../serves; echo activated' },
        ...{ 'connect-timeout': '40s', 'confirm-timeout': '30s', 'health-stable': '500ms', 'health-timeout': '5s' },
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

  /** No node at the control server, no process and no folder on the runner. */
  async expectNothingLeft(withinMs = 0): Promise<void> {
    const left = async () => [...(await this.headscale.runners()), ...daemons(), ...folders()]
    if (withinMs === 0) expect(await left()).toEqual([])
    else await expect.poll(left, { timeout: withinMs, interval: 200 }).toEqual([])
  }

  async [Symbol.asyncDispose]() {
    await this.api[Symbol.asyncDispose]()
  }
}

/** Processes that belong to a daemon of the action. */
export function daemons(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => readProcess(Number(pid)).argv.join(' '))
    .filter((argv) => argv.includes('/hd-tailnet-'))
}

function folders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('hd-tailnet-'))
}
