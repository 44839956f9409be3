import type { Report } from './report.ts'
import { isCommit, projectPage } from './sections.ts'

/** The page of a commit; empty where there is none to link to. */
export function commitPage({ run }: Report, revision: string): string {
  const base = projectPage(run.url, run.repository)
  return base && isCommit(revision) ? `${base}/commit/${revision}` : ''
}
