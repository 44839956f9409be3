import type { Report } from './report.ts'

/** The page of a commit; empty where there is none to link to. */
export function commitPage({ run }: Pick<Report, 'run'>, revision: string): string {
  const base = projectPage(run.url, run.repository)
  return base && isCommit(revision) ? `${base}/commit/${revision}` : ''
}

/** From the address of the run, since the project may live on a GitHub of its own. */
export function projectPage(runUrl: string, repository: string): string {
  if (!URL.canParse(runUrl) || !/^[\w.-]+\/[\w.-]+$/.test(repository)) return ''
  return `${new URL(runUrl).origin}/${repository}`
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{7,64}$/i.test(revision)
}
