import type { Api } from './github.ts'
import type { CommitsRecord, Report } from './report.ts'

interface Comparison {
  readonly total_commits: number
  /** The oldest first. */
  readonly commits: readonly { readonly sha: string; readonly commit: { readonly message: string } }[]
}

const page = 100
const shown = 20

/**
 * What came in between, from GitHub: actions/checkout brings one commit and no more, unless it is told to. Undefined
 * where the report knows it already, or nobody can tell.
 */
export async function commitsFromGitHub(
  api: Api,
  { before, after, commits }: Report,
): Promise<CommitsRecord | undefined> {
  const [base, head] = [before?.revision ?? '', after?.revision ?? '']
  if ((commits?.commits.length ?? 0) > 0 || base === head || !isWhole(base) || !isWhole(head)) return undefined
  const found = await api.ask<Comparison>('GET /repos/{owner}/{repo}/compare/{basehead}', {
    basehead: `${base}...${head}`,
    per_page: page,
  })
  const total = found.total_commits
  if (total === 0) return undefined
  // Of more than a page the newest are on another one, and a number says enough.
  const known = total > page ? [] : found.commits
  // Gitea begins with the newest.
  const newest = (known[0]?.sha === head ? known : known.toReversed()).slice(0, shown)
  return {
    commits: newest.map(({ sha, commit }) => ({ revision: sha, subject: commit.message.split('\n')[0] ?? '' })),
    others: total > newest.length ? `${total - newest.length} more` : '',
  }
}

const isWhole = (revision: string): boolean => /^([\da-f]{40}|[\da-f]{64})$/.test(revision)
