import fc from 'fast-check'
import { describe, expect, it, onTestFinished, test } from 'vitest'
import type { Plan } from '../../../src/pipeline/plan.ts'
import { deploymentLost, tellGitHub } from '../../../src/pipeline/tell-github.ts'
import { markerOf } from '../../../src/report/comment.ts'
import type { Report } from '../../../src/report/report.ts'
import { Secret } from '../../../src/secret.ts'
import { GitHubApi } from '../../helpers/github-api.ts'
import { planOf } from '../inputs/helpers.ts'
import { deployed, rolledBack } from './samples.ts'

const sha = 'c'.repeat(40)
const planned: Report = { ...deployed, mode: 'plan', result: 'planned' }

/** What is told to a real server on loopback, in one run after the other. */
async function site(more: Partial<Plan['run']> = {}, values: Record<string, string> = {}, gitea = false) {
  const api = await GitHubApi.start({ gitea })
  onTestFinished(() => api[Symbol.asyncDispose]())
  const log: string[] = []
  const warnings: string[] = []
  const open: string[] = []
  const say = {
    info: (text: string) => void log.push(text),
    warning: (text: string) => void warnings.push(text),
    output() {},
    mask() {},
  }
  const plan = planOf({
    GITHUB_SHA: sha,
    GITHUB_RUN_ID: '7',
    GITHUB_API_URL: api.url,
    INPUT_DEPLOYMENT: 'true',
    INPUT_COMMENT: 'true',
    'INPUT_GITHUB-TOKEN': 'ghs_secret',
    INPUT_ENVIRONMENT: 'prod',
  })
  const tell = async (report: Report, mode: Plan['mode'], signal = new AbortController().signal) => {
    const outside = { log: say, docsBase: '', signal, remember: (id: string) => void open.push(id) }
    const run = { ...plan.run, ...more }
    return await tellGitHub({ ...plan, mode, run, values: { ...plan.values, ...values } }, outside)(report)
  }
  return { api, log, warnings, open, plan, say, tell }
}

describe('a Deployment', () => {
  it('is made for the commit, and said to be done where the service is found', async () => {
    const { api, warnings, open, tell } = await site()
    await tell(deployed, 'deploy')
    expect(warnings).toEqual([])
    expect(JSON.stringify(api.asked)).not.toContain('nas.example')
    expect(api.deployments).toMatchObject([
      { ref: sha, environment: 'prod', task: 'deploy', auto_merge: false, required_contexts: [] },
    ])
    expect(api.deployments[0]?.statuses).toEqual([
      expect.objectContaining({ state: 'in_progress', log_url: 'https://github.com/acme/shop/actions/runs/7' }),
      expect.objectContaining({
        state: 'success',
        environment_url: 'https://shop.example.org/',
        description: 'Deployed e4f5a6b in 24.7 s: its health check passes.',
      }),
    ])
    expect(new Set(api.asked.map(({ token }) => token))).toEqual(new Set(['ghs_secret']))
    expect(open).toEqual([String(api.deployments[0]?.id), ''])
  })

  it.each([
    ['unchanged', 'success'],
    ['rolled-back', 'failure'],
    ['failed', 'failure'],
    ['rollback-failed', 'error'],
    ['unknown', 'error'],
  ] as const)('that ended as %s is a %s', async (result, state) => {
    const { api, tell } = await site()
    await tell({ ...rolledBack, result }, 'deploy')
    expect(api.states).toEqual(['in_progress', state])
  })

  it('of a rollback is of the commit that came back, and there is none when nothing did', async () => {
    const { api, tell } = await site()
    await tell({ ...deployed, mode: 'rollback' }, 'rollback')
    expect(api.deployments).toMatchObject([{ ref: deployed.after?.revision, task: 'rollback' }])
    expect(api.states).toEqual(['success'])
    const { after: _, ...nothing } = rolledBack
    await tell({ ...nothing, result: 'failed', mode: 'rollback' }, 'rollback')
    expect(api.deployments).toHaveLength(1)
  })

  it('is not made a second time where the job has one by its `environment:`', async () => {
    const { api, log, tell } = await site()
    const log_url = 'https://github.com/acme/shop/actions/runs/7/job/9'
    api.addDeployment({ sha, environment: 'prod' }, { state: 'in_progress', log_url })
    await tell(deployed, 'deploy')
    expect(api.deployments).toHaveLength(1)
    expect(api.states).toEqual(['in_progress'])
    expect(log.join()).toContain('`environment:`')
  })

  it('is made although an earlier run deployed the same commit', async () => {
    const { api, tell } = await site()
    const log_url = 'https://github.com/acme/shop/actions/runs/6/job/9'
    api.addDeployment({ sha, environment: 'prod' }, { state: 'success', log_url })
    await tell(deployed, 'deploy')
    expect(api.deployments).toHaveLength(2)
  })

  it('is made once, although the answer was lost', async () => {
    const { api, warnings, tell } = await site()
    api.fail({ path: /^POST .*\/deployments$/, status: 502, times: 1, obeyed: true })
    await tell(deployed, 'deploy')
    expect(warnings).toEqual([])
    expect(api.deployments).toHaveLength(1)
    expect(api.states).toEqual(['in_progress', 'success'])
  })

  it('is told how it ended although it was not told that it began, and is never called lost after that', async () => {
    const { api, warnings, open, tell } = await site()
    api.fail({ path: /statuses$/, status: 422, times: 1 })
    await tell(deployed, 'deploy')
    expect([api.states, warnings]).toEqual([['success'], []])
    api.fail({ path: /POST .*statuses$/, status: 422, times: 100 })
    await tell({ ...deployed, durationMs: 1 }, 'deploy')
    expect(warnings).toHaveLength(1)
    expect(open.at(-1)).toBe('')
  })

  it('that main could not end is ended by post', async () => {
    const { api, plan, say } = await site()
    api.addDeployment({ sha, environment: 'prod' }, { state: 'in_progress' })
    await deploymentLost(plan, api.deployments[0]?.id ?? 0, say)
    expect(api.states).toEqual(['in_progress', 'error'])
  })

  it('says nothing to others of a plan', async () => {
    const { api, tell } = await site()
    await tell(planned, 'plan')
    expect(api.asked).toEqual([])
  })
})

describe('a comment', () => {
  const pull = { number: 12, fork: false }

  it('is written once, and replaced by the next run', async () => {
    const { api, tell } = await site({ pull })
    await tell(planned, 'plan')
    await tell({ ...planned, environment: 'elsewhere' }, 'plan')
    await tell({ ...planned, environment: 'elsewhere' }, 'plan')
    expect(api.comments).toHaveLength(1)
    expect(api.comments[0]?.body).toMatch(/^<!-- homelab-deploy plan shop prod -->\n### .*elsewhere/)
    expect(api.asked.filter(({ method }) => method === 'PATCH')).toHaveLength(1)
  })

  it('names no host: nothing masks what came from a secret there', async () => {
    const { api, plan, tell } = await site({ pull })
    const [name, host] = ['deploy@nas.example.org', 'nas.example.org']
    const failure = {
      ...rolledBack.failure,
      code: 'HD-NET-03',
      what: `NAS.example.org:22 (${name}) is shut.`,
      detail: `to ${host}.`,
    }
    await tell({ ...rolledBack, mode: 'plan', result: 'failed', hosts: [name], failure } as Report, 'plan')
    expect(plan.targets[0]?.address.host).toBe(host)
    expect(api.comments[0]?.body).toContain('the host:22 (the host) is shut.')
    expect(api.comments[0]?.body).toContain('https://shop.example.org/')
    expect(JSON.stringify(api.asked)).not.toMatch(/nas\.example/i)
  })

  it('is one for each target', async () => {
    const { api, plan, tell } = await site({ pull })
    await tell(planned, 'plan')
    const other = {
      ...plan,
      mode: 'plan' as const,
      run: { ...plan.run, pull },
      values: { ...plan.values, target: 'nas' },
    }
    const quiet = { log: { info() {}, warning() {}, output() {}, mask() {} }, docsBase: '', remember() {} }
    await tellGitHub(other, { ...quiet, signal: new AbortController().signal })(planned)
    expect(api.comments).toHaveLength(2)
  })

  it('of somebody else is left alone, whatever it begins with, and however many there are', async () => {
    const { api, tell } = await site({ pull })
    api.addComment(`${markerOf('plan', 'shop', 'prod')}\nmine!`, { login: 'mallory', type: 'User' })
    for (let count = 0; count < 230; count++) api.addComment('hm', { login: 'mallory', type: 'User' })
    await tell(planned, 'plan')
    await tell({ ...planned, name: 'again' }, 'plan')
    expect(api.comments[0]?.body).toContain('mine!')
    expect(api.comments).toHaveLength(232)
    expect(api.comments.at(-1)?.body).toContain('again')
  })

  it.each([
    ['no pull request', {}, 'no pull request'],
    ['a fork', { pull: { number: 12, fork: true } }, 'a fork'],
  ])('is not written for %s', async (_, run, says) => {
    const { api, log, warnings, tell } = await site(run)
    await tell(planned, 'plan')
    expect([api.asked, warnings]).toEqual([[], []])
    expect(log.join()).toContain(says)
  })

  it('stays below the limit of a comment, whatever a log holds', async () => {
    const { api, tell } = await site({ pull })
    await tell({ ...planned, notes: [{ title: 'x', text: '漢字\n'.repeat(100_000) }] }, 'plan')
    expect(api.comments[0]?.body.length).toBeLessThan(65_536)
  })

  test('its marker ends nowhere but at its end', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: fc.constantFrom('-', '>', '!', ' ', 'a') }),
        (a, b) => {
          expect(markerOf(a, b)).toMatch(/^<!-- homelab-deploy [\w.%]* [\w.%]* -->$/)
          expect(markerOf(a, b) === markerOf(b, a)).toBe(a.toWellFormed() === b)
        },
      ),
    )
  })
})

describe('an API that is ill', () => {
  it.each([
    [500, {}],
    [503, {}],
    [429, { 'retry-after': '1' }],
    [403, { 'retry-after': '1' }],
  ])('%i is asked again', async (status, headers) => {
    const { api, warnings, tell } = await site()
    api.fail({ path: /./, status, headers, times: 1 })
    await tell(deployed, 'deploy')
    expect(warnings).toEqual([])
    expect(api.states).toEqual(['in_progress', 'success'])
  })

  it.each([
    ['for good', 500, {}, 3],
    ['for an hour', 429, { 'retry-after': '3600' }, 1],
  ])('%s is a warning', async (_, status, headers, requests) => {
    const { api, warnings, tell } = await site()
    api.fail({ path: /./, status, headers, times: 100 })
    await tell(deployed, 'deploy')
    expect(api.asked).toHaveLength(requests)
    expect(warnings).toEqual([expect.stringContaining(`${status} as the test wants it`)])
  })

  it('that says no is told why, once, and what the job lacks', async () => {
    const { api, warnings, tell } = await site()
    api.fail({ path: /^POST/, status: 403, times: 100 })
    await tell(deployed, 'deploy')
    expect(api.asked.map(({ method }) => method)).toEqual(['GET', 'POST'])
    expect(warnings).toEqual([expect.stringContaining('`permissions: deployments: write`')])
  })

  it('that is not there is a warning, and holds a cancelled run up for two seconds at most', async () => {
    const { warnings, tell } = await site({ apiUrl: 'http://127.0.0.1:9/api' })
    const began = performance.now()
    await tell(deployed, 'deploy', AbortSignal.abort())
    expect(performance.now() - began).toBeLessThan(4_000)
    expect(warnings).toHaveLength(1)
  })
})

describe('the commits in between', () => {
  const commit = (at: number) => ({ sha: String(at).padStart(40, '0'), commit: { message: `change ${at}\n\nand why` } })
  const { commits: _, ...report } = deployed

  it.each([
    [3, ['change 2', 'change 1', 'change 0'], ''],
    [50, Array.from({ length: 20 }, (_, at) => `change ${49 - at}`), '30 more'],
    [1_000, [], '1000 more'],
  ])('are asked for where the checkout does not hold them: %i', async (count, subjects, others) => {
    const { api, tell } = await site()
    api.history = Array.from({ length: count }, (_, at) => commit(at))
    const { commits } = (await tell(report, 'deploy')) ?? {}
    expect([commits?.commits.map(({ subject }) => subject), commits?.others]).toEqual([subjects, others])
    expect(api.asked.at(-1)?.path).toContain(`${deployed.before?.revision}...${deployed.after?.revision}`)
  })

  it('begin with the newest also on Gitea, which turns them round', async () => {
    const { api, tell } = await site({}, {}, true)
    const last = { sha: deployed.after?.revision ?? '', commit: { message: 'the last' } }
    api.history = [commit(0), commit(1), last]
    const { commits } = (await tell(report, 'deploy')) ?? {}
    expect(commits?.commits.map(({ subject }) => subject)).toEqual(['the last', 'change 1', 'change 0'])
  })

  it('are none of its business where they are known, or cannot be', async () => {
    const { api, warnings, tell } = await site()
    expect(await tell(deployed, 'deploy')).toEqual({})
    expect(await tell(report, 'deploy')).toEqual({})
    expect(warnings).toEqual([])
    expect(api.asked.filter(({ path }) => path.includes('compare'))).toHaveLength(1)
  })
})

it('takes no part where nothing was asked for', async () => {
  const { api, plan, say } = await site()
  const report = { ...plan.report, comment: false, deployment: false }
  const outside = { log: say, docsBase: '', signal: new AbortController().signal, remember() {} }
  await tellGitHub({ ...plan, report, secrets: { 'github-token': new Secret('x') } }, outside)(deployed)
  expect(api.asked).toEqual([])
})
