/** Where workflows like GitHub's run, and what differs there. */
type Name = 'GitHub' | 'Gitea' | 'Forgejo'

export interface Forge {
  readonly name: Name
  /** Whether the page of a run surely shows the summary of a job: Gitea does since 1.27, and does not say its version. */
  readonly showsSummary: boolean
  /** Who has to say what for a token of OIDC; empty where there is none. */
  readonly oidc: string
  /** Whether its API has them. */
  readonly deployments: boolean
}

const forges: Readonly<Record<Name, Forge>> = {
  GitHub: { name: 'GitHub', showsSummary: true, oidc: 'job `permissions: id-token: write`', deployments: true },
  Gitea: { name: 'Gitea', showsSummary: false, oidc: '', deployments: false },
  Forgejo: { name: 'Forgejo', showsSummary: false, oidc: 'workflow `enable-openid-connect: true`', deployments: false },
}

type Environment = Readonly<Record<string, string | undefined>>

export function forgeOf(env: Environment): Forge {
  // Forgejo's runner says that it is Gitea's, too.
  if (env.FORGEJO_ACTIONS) return forges.Forgejo
  return env.GITEA_ACTIONS ? forges.Gitea : forges.GitHub
}

/** Branches and workflows are named by anybody who can open a pull request, and these texts get printed. */
export function plainVariable(env: Environment, name: string): string {
  return (env[name] ?? '').replace(/\p{Cc}/gu, ' ').trim()
}

/** The page of a run; empty when the runner does not say enough. */
export function runPage(env: Environment): string {
  const { name } = forgeOf(env)
  const read = (variable: string) => plainVariable(env, variable)
  // Forgejo counts the runs of each repository in its addresses, and the id is another number.
  const id = read(name === 'Forgejo' ? 'GITHUB_RUN_NUMBER' : 'GITHUB_RUN_ID')
  const [server, repository] = [read('GITHUB_SERVER_URL') || 'https://github.com', read('GITHUB_REPOSITORY')]
  if (repository === '' || id === '') return ''
  const attempt = Number(read('GITHUB_RUN_ATTEMPT'))
  return `${server}/${repository}/actions/runs/${id}${name === 'GitHub' && attempt > 1 ? `/attempts/${attempt}` : ''}`
}

/** Where docs/ of this version of the action is. A fixed version has fixed docs: its error codes are looked up there. */
export function docsBase(env: Environment): string {
  // Elsewhere an action may come from any server, and nobody says from which.
  if (forgeOf(env).name !== 'GitHub' || !env.GITHUB_ACTION_REPOSITORY) return ''
  const server = env.GITHUB_SERVER_URL ?? 'https://github.com'
  return `${server}/${env.GITHUB_ACTION_REPOSITORY}/blob/${env.GITHUB_ACTION_REF || 'v1'}`
}
