import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request, as the stand-in got it. */
export interface Asked {
  readonly method: string
  /** Without the base and without the query. */
  readonly path: string
  readonly token: string
  // biome-ignore lint/suspicious/noExplicitAny: what was sent is looked at by tests
  readonly body: any
}

interface Fault {
  readonly status: number
  readonly headers?: Record<string, string>
  /** How many requests get it; then it is over. */
  times: number
  readonly path: RegExp
  /** The request is obeyed, and only its answer is lost. */
  readonly obeyed?: boolean
}

interface Deployment {
  readonly id: number
  readonly sha: string
  readonly environment: string
  readonly payload: unknown
  readonly statuses: Record<string, unknown>[]
}

interface Comment {
  readonly id: number
  body: string
  readonly user: { readonly login: string; readonly type?: string }
}

/**
 * The part of GitHub's REST API that this action speaks to, on loopback, under a path as on a GitHub of one's own. It
 * remembers what it was told and can be ill. A stand-in: what GitHub itself would refuse is not known to it. As Gitea it
 * answers as the routes of Gitea do: no Deployments, all comments on every page, nobody is a bot, the newest commit first.
 */
export class GitHubApi implements AsyncDisposable {
  readonly asked: Asked[] = []
  readonly deployments: Deployment[] = []
  readonly comments: Comment[] = []
  /** What lies between any two commits, the oldest first. */
  history: { readonly sha: string; readonly commit: { readonly message: string } }[] = []
  readonly #faults: Fault[] = []
  readonly #server: Server
  readonly #gitea: boolean
  #ids = 100

  static async start({ gitea = false } = {}): Promise<GitHubApi> {
    const api = new GitHubApi(gitea)
    await new Promise<void>((ready) => api.#server.listen(0, '127.0.0.1', ready))
    return api
  }

  private constructor(gitea: boolean) {
    this.#gitea = gitea
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(({ status, body, headers = {} }) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
      })
    })
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.#base}`
  }

  get #base(): string {
    return this.#gitea ? '/api/v1' : '/api/v3'
  }

  fail(fault: Fault): void {
    this.#faults.push(fault)
  }

  /** What the statuses of all Deployments were, in the order they came. */
  get states(): string[] {
    return this.deployments.flatMap(({ statuses }) => statuses.map(({ state }) => String(state)))
  }

  addComment(body: string, user: Comment['user']): Comment {
    const comment = { id: this.#ids++, body, user }
    this.comments.push(comment)
    return comment
  }

  addDeployment(of: Pick<Deployment, 'sha' | 'environment'>, status: Record<string, unknown>): void {
    this.deployments.push({ ...of, id: this.#ids++, payload: '', statuses: [status] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((closed) => this.#server.close(closed))
  }

  async #answer(
    request: IncomingMessage,
  ): Promise<{ status: number; body: unknown; headers?: Record<string, string> }> {
    const url = new URL(request.url ?? '', 'http://x')
    const path = url.pathname.replace(this.#base, '')
    const text = (await request.toArray()).join('')
    const asked: Asked = {
      method: request.method ?? '',
      path,
      body: text === '' ? undefined : JSON.parse(text),
      token: String(request.headers.authorization).replace(/^token /, ''),
    }
    this.asked.push(asked)
    const fault = this.#faults.find((each) => each.times > 0 && each.path.test(`${asked.method} ${path}`))
    if (fault) fault.times -= 1
    if (fault && !fault.obeyed) {
      const { status, headers = {} } = fault
      return { status, headers, body: { message: 'as the test wants it' } }
    }
    const good = this.#obey(asked, url.searchParams)
    return fault ? { status: fault.status, body: { message: 'the answer is lost' } } : good
  }

  #obey({ method, path, body }: Asked, query: URLSearchParams): { status: number; body: unknown } {
    const [, rest = ''] = /^\/repos\/acme\/shop(\/.*)$/.exec(path) ?? []
    const number = Number(/\/(\d+)/.exec(rest)?.[1])
    const unknown = { status: 404, body: { message: 'Not Found' } }
    if (this.#gitea && /^\/deployments\b/.test(rest)) return unknown
    if (this.#gitea && path === '/user') return { status: 200, body: { id: -2, login: 'gitea-actions' } }
    switch (`${method} ${rest.replace(/\/\d+/, '/N')}`) {
      case 'GET /deployments': {
        const wanted = ({ sha, environment }: Deployment) =>
          sha === query.get('sha') && environment === query.get('environment')
        return { status: 200, body: this.deployments.filter(wanted).toReversed() }
      }
      case 'POST /deployments': {
        const made = { ...body, id: this.#ids++, sha: body.ref, statuses: [] }
        this.deployments.push(made)
        return { status: 201, body: made }
      }
      case 'GET /deployments/N/statuses':
        return { status: 200, body: this.#deployment(number)?.statuses.toReversed() ?? [] }
      case 'POST /deployments/N/statuses':
        this.#deployment(number)?.statuses.push(body)
        return { status: 201, body: {} }
      case `GET /compare/${rest.replace('/compare/', '')}`:
        if (this.history.length === 0) return unknown
        return {
          status: 200,
          body: {
            total_commits: this.history.length,
            commits: this.#gitea ? this.history.toReversed() : this.history.slice(0, 100),
          },
        }
      case 'GET /issues/N/comments': {
        const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('per_page') ?? 30)]
        if (this.#gitea) return { status: 200, body: this.comments }
        return { status: 200, body: this.comments.slice((page - 1) * size, page * size) }
      }
      case 'POST /issues/N/comments':
        return { status: 201, body: this.addComment(body.body, this.#job) }
      case 'PATCH /issues/comments/N': {
        const comment = this.comments.find(({ id }) => id === number)
        if (comment) comment.body = body.body
        return comment ? { status: 200, body: comment } : unknown
      }
      default:
        return unknown
    }
  }

  /** By whom the job writes. */
  get #job(): Comment['user'] {
    return this.#gitea ? { login: 'gitea-actions' } : { login: 'github-actions[bot]', type: 'Bot' }
  }

  #deployment(id: number): Deployment | undefined {
    return this.deployments.find((each) => each.id === id)
  }
}
