import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { scratch } from '../helpers/scratch.ts'
import { type Tree, writeTree } from '../helpers/tree.ts'
import { type RunnerName, serverOf } from './programs.ts'
import { Workflow, type WorkflowOptions, type WorkflowResult } from './workflow.ts'

/** Stands for the Docker Compose of the documents: what it starts is the page that the service below answers with. */
const start = `#!/bin/sh
page=$(cat index.html)
echo "Container shop starting: $page"
[ ! -f .env ] || cat .env
case $page in
  endless) sleep 600 ;;
esac
cp index.html "$HOME/served"
`

/** A host with a service, a repository with a workflow, and a machine with a runner. */
export class Site implements AsyncDisposable {
  readonly host: EmbeddedHost
  /** Where the service of the host answers, as `127.0.0.1:8080` does in the documents. */
  readonly service: string
  readonly secrets: Record<string, string>
  readonly vars: Record<string, string>
  readonly #runner: RunnerName
  readonly #folder: string
  readonly #leave: AsyncDisposableStack

  private constructor(
    runner: RunnerName,
    host: EmbeddedHost,
    service: string,
    folder: string,
    leave: AsyncDisposableStack,
  ) {
    this.#runner = runner
    this.host = host
    this.service = service
    this.#folder = folder
    this.#leave = leave
    this.secrets = { SSH_KEY: host.clientKey.private }
    this.vars = { HOST_KEY: host.knownHostsLine }
  }

  static async open(runner: RunnerName): Promise<Site> {
    const leave = new AsyncDisposableStack()
    const { path: folder } = leave.use(await scratch('runners'))
    const host = leave.use(await startHost())
    await host.write({ start: { text: start, mode: 0o755 } })
    const answer = createServer((_request, response) => {
      const page = servedBy(host)
      response.writeHead(page === '' ? 503 : page.includes('broken') ? 500 : 200).end(page)
    })
    await new Promise<void>((resolve) => answer.listen(0, '127.0.0.1', resolve))
    leave.defer(() => void answer.close())
    const site = new Site(runner, host, `127.0.0.1:${(answer.address() as AddressInfo).port}`, folder, leave)
    // Exactly what a tag of this repository needs to hold.
    for (const name of ['action.yml', 'dist']) cpSync(name, join(folder, 'action', name), { recursive: true })
    mkdirSync(site.#repository)
    site.#git('init', '--quiet', '--initial-branch=main')
    site.#git('remote', 'add', 'origin', `https://${serverOf(runner)}/acme/shop.git`)
    return site
  }

  /** The page that the service shows now. */
  get served(): string {
    return servedBy(this.host)
  }

  /** Returns the id of the commit. */
  async commit(tree: Tree): Promise<string> {
    await writeTree(this.#repository, tree)
    this.#git('add', '--all')
    this.#git('commit', '--quiet', '--message=Change the shop')
    return this.#git('rev-parse', 'HEAD').trim()
  }

  start(event: WorkflowOptions['event'], more: Pick<WorkflowOptions, 'inputs' | 'env'> = {}): Workflow {
    const [home, action] = [join(this.#folder, 'runner'), join(this.#folder, 'action')]
    const { secrets, vars } = this
    const common = { repository: this.#repository, home, action, event, secrets, vars }
    const workflow = new Workflow(this.#runner, { ...common, ...more })
    // For a test that fails in the middle.
    this.#leave.defer(() => workflow.cancel())
    return workflow
  }

  async push(tree: Tree): Promise<WorkflowResult> {
    await this.commit(tree)
    return await this.start('push').finished
  }

  async dispatch(inputs: Readonly<Record<string, string>>): Promise<WorkflowResult> {
    return await this.start('workflow_dispatch', { inputs }).finished
  }

  async [Symbol.asyncDispose]() {
    await this.#leave.disposeAsync()
  }

  get #repository(): string {
    return join(this.#folder, 'shop')
  }

  #git(...args: string[]): string {
    const author = { GIT_AUTHOR_NAME: 'octocat', GIT_AUTHOR_EMAIL: 'octocat@example.org' }
    const committer = { GIT_COMMITTER_NAME: 'octocat', GIT_COMMITTER_EMAIL: 'octocat@example.org' }
    return execFileSync('git', args, {
      cwd: this.#repository,
      encoding: 'utf8',
      env: { ...process.env, ...author, ...committer },
    })
  }
}

const servedBy = ({ home }: EmbeddedHost) => {
  const page = join(home, 'served')
  return existsSync(page) ? readFileSync(page, 'utf8').trim() : ''
}
