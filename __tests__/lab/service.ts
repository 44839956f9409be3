import { expect } from 'vitest'
import { type RunOptions, type RunResult, runAction, startAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { type Tree, writeTree } from '../helpers/tree.ts'
import type { LabHost } from './host.ts'

/** A web service as people run one: a systemd unit, code in a folder, one URL. Its answer is the version; one with an x is ill. */
const port = 8000
const program = `import http.server, os
text = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'version')).read().strip()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if 'x' in text else 200)
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *args): pass
print('starting', text, flush=True)
http.server.ThreadingHTTPServer(('127.0.0.1', ${port}), Handler).serve_forever()
`
const unit = (path: string) => `[Service]
ExecStart=/usr/bin/python3 ${path}/serve.py
Restart=no
[Install]
WantedBy=multi-user.target
`

export interface Deploy {
  readonly version: string
  readonly inputs?: Record<string, string>
  readonly options?: Partial<RunOptions>
}

/** The service \`app\` on a lab host, and how it is deployed. */
export class Service {
  readonly host: LabHost
  readonly path: string
  /** Whether the run works as root there: as its user, or by sudo. */
  readonly #root: boolean
  #commit = 0

  constructor(host: LabHost, path = '/srv/app', root = host.user === 'root') {
    this.host = host
    this.path = path
    this.#root = root
  }

  async install(): Promise<void> {
    await this.host.write('/etc/systemd/system', { 'app.service': unit(this.path) }, 'root')
    await this.host.sh(`install -d -o ${this.host.user} ${this.path}; systemctl daemon-reload; systemctl enable -q app`)
  }

  /** What a workflow asks for: slow and talking commands, so that something can happen in their middle. */
  async request({ version, inputs, options }: Deploy): Promise<RunOptions & AsyncDisposable> {
    const workspace = await scratch('lab-workspace')
    await writeTree(workspace.path, this.tree(version))
    const sudo = this.host.user === 'root' ? '' : 'sudo -n '
    return {
      ...options,
      [Symbol.asyncDispose]: () => workspace[Symbol.asyncDispose](),
      workspace: workspace.path,
      sha: `${++this.#commit}`.padStart(40, 'abcdef0123'),
      inputs: {
        host: `${this.host.user}@${this.host.address}`,
        'ssh-key': this.host.clientKey.private,
        'host-key': this.host.knownHostsLine,
        name: 'app',
        path: this.path,
        strategy: 'script',
        'confirm-timeout': '12s',
        'connect-timeout': '20s',
        before: 'echo before begins; sleep 0.3',
        prepare: 'echo prepare begins; sleep 1; echo prepare ends',
        activate: `echo activate begins; sleep 0.7; ${sudo}systemctl restart app; sleep 0.7; echo activate ends`,
        after: 'echo after',
        health: `http://127.0.0.1:${port}/ body=/^${version}$/\nunit:app`,
        'health-timeout': '5s',
        'health-stable': '2s',
        'env-file': `VERSION=${version}\nTOKEN=the-token-of-${version}`,
        ...inputs,
      },
    }
  }

  /** Starts a deploy of a version. */
  async start(deploy: Deploy, during?: (run: ReturnType<typeof startAction>) => void): Promise<RunResult> {
    await using request = await this.request(deploy)
    const run = startAction(request)
    during?.(run)
    return await run.finished
  }

  async deploy(deploy: Deploy): Promise<RunResult> {
    return await this.start(deploy)
  }

  async rollback(inputs: Record<string, string> = {}): Promise<RunResult> {
    await using workspace = await scratch('lab-workspace')
    const connection = {
      host: `${this.host.user}@${this.host.address}`,
      'ssh-key': this.host.clientKey.private,
      'host-key': this.host.knownHostsLine,
    }
    return await runAction({
      workspace: workspace.path,
      inputs: { ...connection, mode: 'rollback', name: 'app', ...inputs },
    })
  }

  tree(version: string): Tree {
    return { 'serve.py': program, version: `${version}\n`, [`only-${version}/data`]: version, shared: 'same in all' }
  }

  get state(): string {
    return this.#root ? '/var/lib/homelab-deploy/app' : `/home/${this.host.user}/.local/state/homelab-deploy/app`
  }

  /** What answers, whatever the network between us does. */
  async answer(): Promise<string> {
    return (await this.host.try(`curl -s --max-time 3 http://127.0.0.1:${port}/`)).stdout
  }

  async ledger(): Promise<Record<string, unknown>[]> {
    const text = await this.host.sh(`cat ${this.state}/ledger.jsonl`)
    try {
      return text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
    } catch (error) {
      throw new Error(`a torn ledger: ${text}`, { cause: error })
    }
  }

  /** The host is in this version, all of it: files, env, service, record. */
  async expectVersion(version: string): Promise<void> {
    expect(await this.answer()).toBe(version)
    expect(
      await this.host.sh(`cat ${this.path}/version; grep VERSION ${this.path}/.env; cd ${this.path}; ls -d only-*`),
    ).toBe(`${version}\nVERSION=${version}\nonly-${version}`)
    const current = await this.host.sh(`cat ${this.state}/current`)
    expect(await this.host.sh(`cat ${this.state}/releases/${current}/tree/version`)).toBe(version)
  }

  /** Nothing of a deploy is left: no process, lock, record of a pending one, work directory, boot unit, temp file. */
  async leftovers(): Promise<string> {
    return await this.host.sh(
      `cd ${this.state}; ls -d lock* pending.json work 2>/dev/null; pgrep -af 'guard[.]sh|homelab-deploy/app/[w]ork'; ls /etc/systemd/system /etc/systemd/system/*.wants | grep homelab-deploy; find ${this.path} -name '*.hd-new' -o -name '*.new'; true`,
    )
  }

  async expectNothingLeft(withinSeconds = 50): Promise<void> {
    await expect.poll(() => this.leftovers(), { timeout: withinSeconds * 1_000, interval: 500 }).toBe('')
  }
}
