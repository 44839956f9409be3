import { createHash } from 'node:crypto'
import type { Log } from '../log.ts'
import { showAddress } from '../remote/target.ts'
import { commentLimit, markerOf, putComment } from '../report/comment.ts'
import { commitsFromGitHub } from '../report/commits.ts'
import { type DeploymentAbout, openDeployment, sayDeploying, sayEnd, sayLost } from '../report/deployment.ts'
import { type Api, connectGitHub, Refusal } from '../report/github.ts'
import { withoutHosts } from '../report/nameless.ts'
import type { Report } from '../report/report.ts'
import { renderSummary } from '../report/summary.ts'
import type { Plan } from './plan.ts'

/** Tells GitHub how the run ended, and gives what GitHub alone knows of it. The report is free of secrets. */
export type Tell = (shown: Report) => Promise<Partial<Report>>

interface Surroundings {
  readonly log: Log
  readonly docsBase: string
  readonly signal: AbortSignal
  /** For `post`, should this process end first; empty when nothing is open any more. */
  remember(deployment: string): void
}

/** The end of a job that was cancelled is seconds away; that of any other may wait for a slow answer, but not for ever. */
const atMost = { cancelled: 2_000, usual: 40_000 }

/**
 * Begins what is to be told to GitHub, beside the run: the Deployment where one is asked for. What is returned ends it,
 * or writes the comment. Nothing of this ever fails a deploy or holds it up.
 */
export function tellGitHub(plan: Plan, outside: Surroundings): Tell {
  const { log } = outside
  const { forge } = plan.run
  const over = new AbortController()
  const api = apiOf(plan, over.signal)
  const deployment = plan.report.deployment && forge.deployments
  if (plan.report.deployment && !deployment && /^(deploy|rollback)$/.test(plan.mode))
    log.warning(`\`deployment\`: ${forge.name} has no Deployments, so that none is made. Nothing else changes.`)
  const opened = api && deployment && plan.mode === 'deploy' ? open(plan, api, outside) : undefined
  return async (shown) => {
    if (api === undefined) return {}
    const limit = outside.signal.aborted ? atMost.cancelled : atMost.usual
    const timer = setTimeout(() => over.abort(new Error('it took too long')), limit)
    try {
      await opened?.then((id) => (id === undefined ? undefined : close(api, id, shown, outside)))
      if (deployment && plan.mode === 'rollback') await wentBack(plan, api, shown, outside)
      if (plan.report.comment && plan.mode === 'plan') await comment(plan, api, shown, outside)
    } catch (error) {
      log.warning(cannot(plan, error, plan.mode === 'plan' ? 'pull-requests' : 'deployments'))
    }
    // A token that may not read the repository is no reason to say anything: the page links to the comparison.
    const wanted = plan.mode === 'deploy' && !outside.signal.aborted
    const commits = wanted ? await commitsFromGitHub(api, shown).catch(() => undefined) : undefined
    clearTimeout(timer)
    return commits === undefined ? {} : { commits }
  }
}

/** What `post` says of a Deployment that main could not end. */
export async function deploymentLost(plan: Plan, id: number, log: Log): Promise<void> {
  const api = apiOf(plan, AbortSignal.timeout(atMost.usual))
  if (api === undefined) return
  await api
    .persist(() => sayLost(api, id, plan.run.url))
    .catch((error: unknown) => log.warning(cannot(plan, error, 'deployments')))
}

function apiOf({ secrets, run }: Plan, signal: AbortSignal): Api | undefined {
  const token = secrets['github-token']?.reveal()
  if (token === undefined || run.repository === '') return undefined
  return connectGitHub({ token, apiUrl: run.apiUrl, repository: run.repository }, signal)
}

async function open(plan: Plan, api: Api, { log, remember }: Surroundings): Promise<number | undefined> {
  try {
    const id = await api.persist(() => openDeployment(api, about(plan, plan.run.sha)))
    if (id === undefined) {
      log.info('GitHub has a Deployment for this job already, by its `environment:`. No second one is made.')
      return undefined
    }
    remember(String(id))
    // Without this word it is pending until the last one comes, and only that one has to arrive.
    await api
      .persist(() => sayDeploying(api, id, plan.run.url))
      .catch((error) => log.info(cannot(plan, error, 'deployments')))
    return id
  } catch (error) {
    log.warning(cannot(plan, error, 'deployments'))
    return undefined
  }
}

async function close(api: Api, id: number, shown: Report, { remember }: Surroundings): Promise<void> {
  try {
    await api.persist(() => sayEnd(api, id, shown))
  } finally {
    // What could not be said now, `post` does not know: it would call a good deploy lost.
    remember('')
  }
}

/** Which commit a rollback leads to, the host said; so its Deployment is made at the end, unless there was none to go to. */
async function wentBack(plan: Plan, api: Api, shown: Report, outside: Surroundings): Promise<void> {
  const commit = shown.after?.revision ?? ''
  if (commit === '') return
  const id = await api.persist(() => openDeployment(api, about(plan, commit)))
  if (id !== undefined) await close(api, id, shown, outside)
}

function about({ mode, name, targets, run, report }: Plan, ref: string): DeploymentAbout {
  const hosts = targets.map(({ address }) => showAddress(address)).join(', ')
  const environment = report.environment || 'production'
  const parts = [run.id, run.attempt, run.job, name, environment, hosts]
  return {
    ref,
    environment,
    runUrl: run.url,
    task: mode === 'rollback' ? 'rollback' : 'deploy',
    description: name,
    key: createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 20),
  }
}

async function comment(plan: Plan, api: Api, shown: Report, { log, docsBase }: Surroundings): Promise<void> {
  const { pull } = plan.run
  if (pull === undefined)
    return log.info('`comment`: this run belongs to no pull request, so there is nowhere to write.')
  if (pull.fork) return log.info('`comment`: the pull request comes from a fork, whose runs may not write here.')
  const marker = markerOf('plan', plan.name, plan.values['target'] ?? plan.report.environment)
  const text = renderSummary(withoutHosts(shown, namesOf(plan, shown)), { docsBase, maxBytes: commentLimit })
  const done = await api.persist(() => putComment(api, pull.number, marker, text))
  log.info(`The comment on pull request ${pull.number} is ${done}.`)
}

/** Every name by which a host may be called in what is shown: those of a hive are known to the report alone. */
function namesOf({ targets }: Plan, { hosts }: Report): string[][] {
  const bare = (address: string) =>
    address
      .replace(/^[^@]*@/, '')
      .replace(/:\d+$/, '')
      .replace(/^\[(.*)\]$/, '$1')
  const jumps = targets.flatMap(({ jump }) => (jump ? [showAddress(jump.address), jump.address.host] : []))
  const names = hosts.map((address) => [address, address.replace(/^[^@]*@/, ''), bare(address)])
  return [...names, ...(jumps.length > 0 ? [jumps] : [])].map((each) => each.filter((name) => name !== ''))
}

function cannot({ run }: Plan, error: unknown, permission: string): string {
  const why = error instanceof Error ? error.message : String(error)
  const hint =
    error instanceof Refusal && error.forbidden ? ` The job needs \`permissions: ${permission}: write\`.` : ''
  return `${run.forge.name} was not told of this run, which changes nothing else. ${why}.${hint}`
}
