import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import type { Run } from '../pipeline/plan.ts'
import { forgeOf, plainVariable, runPage } from './forge.ts'

/** The variables of a process: `process.env`, or what a test makes up. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Who asked, from where, as the runner says it. */
export function readRun(env: Environment): Run {
  const read = (name: string) => plainVariable(env, name)
  const pull = readPull(env.GITHUB_EVENT_PATH ?? '', read('GITHUB_REPOSITORY'))
  return {
    repository: read('GITHUB_REPOSITORY'),
    sha: readCommit(read('GITHUB_SHA')),
    ref: read('GITHUB_REF'),
    actor: read('GITHUB_ACTOR'),
    workflow: read('GITHUB_WORKFLOW'),
    job: read('GITHUB_JOB'),
    id: read('GITHUB_RUN_ID'),
    attempt: read('GITHUB_RUN_ATTEMPT'),
    url: runPage(env),
    event: read('GITHUB_EVENT_NAME'),
    forge: forgeOf(env),
    ...(pull && { pull }),
    apiUrl: read('GITHUB_API_URL') || 'https://api.github.com',
    workflowFile: /\/\.\w+\/workflows\/([\w.-]+\.ya?ml)@/.exec(read('GITHUB_WORKFLOW_REF'))?.[1] ?? '',
    hosted: read('RUNNER_ENVIRONMENT') === 'github-hosted',
    temp: env.RUNNER_TEMP || tmpdir(),
  }
}

/** What the runner was told about the event: the variables do not say from where a pull request comes. */
function readPull(file: string, repository: string): Run['pull'] {
  try {
    const { pull_request: pull, issue } = JSON.parse(readFileSync(file, 'utf8')) as {
      pull_request?: { number: number; head?: { repo?: { full_name?: string } | null } }
      issue?: { number: number; pull_request?: object }
    }
    // A fork that was deleted since has no name any more. A comment on a pull request does not say where that came from.
    if (pull) return { number: Number(pull.number), fork: pull.head?.repo?.full_name !== repository }
    return issue?.pull_request ? { number: Number(issue.number), fork: false } : undefined
  } catch {
    return undefined
  }
}

export function workspaceOf(env: Environment): string {
  return resolve(env.GITHUB_WORKSPACE || '.')
}

/** A whole commit id, or nothing: it ends up in git commands and file names. */
function readCommit(text: string): string {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(text) ? text.toLowerCase() : ''
}
