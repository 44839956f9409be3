import { getOctokit } from '@actions/github'
import { sleep } from '../clock.ts'

/** What is said to the API of GitHub, or of a forge that speaks as it does. */
export interface Api {
  /** `route` as in GitHub's reference: `POST /repos/{owner}/{repo}/…`. Throws a Refusal. */
  ask<T>(route: string, parameters: Record<string, unknown>): Promise<T>
  /**
   * Does it again when the server was ill or busy. The whole work, and not one request: an answer that was lost may
   * have been a yes, so the work has to look first whether it is done.
   */
  persist<T>(work: () => Promise<T>): Promise<T>
}

const tries = 3
/** What a server asks us to wait at most; whoever wants more is not asked again. */
const patienceMs = 10_000

/** Every request has an end: nothing that GitHub does may hold up a deploy. */
export function connectGitHub(
  { token, apiUrl, repository }: { token: string; apiUrl: string; repository: string },
  signal: AbortSignal,
): Api {
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  const octokit = getOctokit(token, { baseUrl: apiUrl, userAgent: 'homelab-deploy', log: silent })
  const [owner = '', repo = ''] = repository.split('/')
  return {
    async ask<T>(route: string, parameters: Record<string, unknown>): Promise<T> {
      const request = { signal: AbortSignal.any([AbortSignal.timeout(patienceMs), signal]) }
      try {
        return (await octokit.request(route, { owner, repo, ...parameters, request })).data as T
      } catch (error) {
        throw new Refusal(route, error as Refused)
      }
    },
    async persist(work) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await work()
        } catch (error) {
          const wait = error instanceof Refusal && attempt < tries ? error.waitFor(attempt) : undefined
          if (wait === undefined || signal.aborted) throw error
          await sleep(wait, signal)
        }
      }
    },
  }
}

/** What octokit throws; without a response there was no answer. */
interface Refused {
  readonly status?: number
  readonly message?: string
  readonly response?: {
    readonly headers?: Readonly<Record<string, string | number | undefined>>
    readonly data?: { readonly message?: string }
  }
}

/** A sentence for people. */
export class Refusal extends Error {
  readonly #status: number
  readonly #asked: number

  constructor(route: string, { status = 500, message = '', response }: Refused) {
    const said = response?.data?.message || message.split('\n')[0]
    super(`${route.replace('/repos/{owner}/{repo}', '')}: ${response ? `${status} ` : ''}${said}`)
    this.#status = status
    this.#asked = Number(response?.headers?.['retry-after'] ?? 0)
  }

  /** The token may not do this, or what it is about does not exist for it. */
  get forbidden(): boolean {
    return [401, 403, 404].includes(this.#status)
  }

  /** Milliseconds until it is worth another try: a server that is ill or busy, never one that said no. */
  waitFor(attempt: number): number | undefined {
    const busy = this.#status >= 500 || this.#status === 429 || (this.#status === 403 && this.#asked > 0)
    if (!busy || this.#asked * 1_000 > patienceMs) return undefined
    return this.#asked > 0 ? this.#asked * 1_000 : 500 * 2 ** attempt
  }
}
