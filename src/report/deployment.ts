import type { Api } from './github.ts'
import type { Report, Result } from './report.ts'
import { cut, line } from './text.ts'
import { verdict } from './verdict.ts'

/** What GitHub is to know of a deploy from its start. */
export interface DeploymentAbout {
  /** The commit. */
  readonly ref: string
  readonly task: 'deploy' | 'rollback'
  readonly environment: string
  readonly description: string
  /** Which one of the jobs of a run this is: by it a Deployment is found again. */
  readonly key: string
  readonly runUrl: string
}

interface Found {
  readonly id: number
  readonly payload?: unknown
}

const states: Readonly<Partial<Record<Result, string>>> = {
  deployed: 'success',
  unchanged: 'success',
  'rolled-back': 'failure',
  failed: 'failure',
  'rollback-failed': 'error',
  unknown: 'error',
}

/** Makes the Deployment, or finds the one of before. Undefined where the job has one of its own, by `environment:`. */
export async function openDeployment(api: Api, about: DeploymentAbout): Promise<number | undefined> {
  const { ref, environment, task, description, key, runUrl } = about
  // Asked first, so that a request that was answered by silence does not make a second one.
  const known = await api.ask<readonly Found[]>('GET /repos/{owner}/{repo}/deployments', {
    sha: ref,
    environment,
    per_page: 10,
  })
  const ours = known.find(({ payload }) => JSON.stringify(payload ?? '').includes(key))
  if (ours !== undefined) return ours.id
  for (const { id } of known.slice(0, 3)) if (await isOfThisRun(api, id, runUrl)) return undefined
  const { id } = await api.ask<Found>('POST /repos/{owner}/{repo}/deployments', {
    ref,
    task,
    environment,
    description: line(description, 140),
    payload: { homelab_deploy: key },
    // The branch is what the job was started for: GitHub is to merge nothing, and to wait for no other check.
    auto_merge: false,
    required_contexts: [],
  })
  return id
}

/** GitHub's own Deployment of a job links to that job. Ours have been found by their key before. */
async function isOfThisRun(api: Api, id: number, runUrl: string): Promise<boolean> {
  const statuses = await api.ask<readonly { readonly log_url?: string; readonly target_url?: string }[]>(
    'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
    { deployment_id: id, per_page: 5 },
  )
  const run = runUrl.replace(/\/attempts\/\d+$/, '')
  return (
    run !== '' &&
    statuses.some(({ log_url: log = '', target_url: target = '' }) => `${log}${target}`.includes(`${run}/job/`))
  )
}

export async function sayDeploying(api: Api, id: number, runUrl: string): Promise<void> {
  await sayState(api, id, { state: 'in_progress', description: 'The deploy is under way.', log_url: runUrl })
}

/** How it ended. Only a success makes the earlier Deployments of the environment inactive. */
export async function sayEnd(api: Api, id: number, report: Report): Promise<void> {
  const state = states[report.result] ?? 'error'
  await sayState(api, id, {
    state,
    description: verdict(report).replaceAll('`', ''),
    log_url: report.run.url,
    ...(state === 'success' && { auto_inactive: true, ...(report.url && { environment_url: report.url }) }),
  })
}

/** For a run that was ended before it could say how it ended. */
export async function sayLost(api: Api, id: number, runUrl: string): Promise<void> {
  const description = 'The run was ended before the deploy was. The host settles it by itself; see the log.'
  await sayState(api, id, { state: 'error', description, log_url: runUrl })
}

async function sayState(
  api: Api,
  id: number,
  status: { readonly state: string; readonly description: string; readonly [more: string]: unknown },
): Promise<void> {
  await api.ask('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
    ...status,
    deployment_id: id,
    description: cut(line(status.description), 140),
  })
}
