import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import type { Run } from '../pipeline/plan.ts'

/** The variables of a process: `process.env`, or what a test makes up. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Who asked, from where, as the runner says it. */
export function readRun(env: Environment): Run {
  // Branches and workflows are named by anybody who can open a pull request: these texts get printed.
  const read = (name: string) => (env[name] ?? '').replace(/\p{Cc}/gu, ' ').trim()
  const [server, repository, id, attempt] = [
    read('GITHUB_SERVER_URL'),
    read('GITHUB_REPOSITORY'),
    read('GITHUB_RUN_ID'),
    read('GITHUB_RUN_ATTEMPT'),
  ]
  const page = `${server || 'https://github.com'}/${repository}/actions/runs/${id}`
  return {
    repository,
    sha: readCommit(read('GITHUB_SHA')),
    ref: read('GITHUB_REF'),
    actor: read('GITHUB_ACTOR'),
    workflow: read('GITHUB_WORKFLOW'),
    job: read('GITHUB_JOB'),
    id,
    attempt,
    url: repository && id ? page + (Number(attempt) > 1 ? `/attempts/${Number(attempt)}` : '') : '',
    event: read('GITHUB_EVENT_NAME'),
    hosted: read('RUNNER_ENVIRONMENT') === 'github-hosted',
    temp: env.RUNNER_TEMP || tmpdir(),
  }
}

export function workspaceOf(env: Environment): string {
  return resolve(env.GITHUB_WORKSPACE || '.')
}

/** A whole commit id, or nothing: it ends up in git commands and file names. */
function readCommit(text: string): string {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(text) ? text.toLowerCase() : ''
}
