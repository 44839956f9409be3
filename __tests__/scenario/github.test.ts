import { writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { GitHubApi } from '../helpers/github-api.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, expectResult } from '../helpers/story.ts'

const token = 'ghs_a-token-of-the-job'
const inputs = { deployment: 'true', 'github-token': token, environment: 'prod', url: 'https://shop.example.org/' }

/** A host, and GitHub's API beside it. */
async function site(kind: { gitea?: boolean } = {}) {
  const open = new AsyncDisposableStack()
  const [host, api] = [open.use(await startHost()), open.use(await GitHubApi.start(kind))]
  return { host, api, env: { GITHUB_API_URL: api.url }, [Symbol.asyncDispose]: () => open.disposeAsync() }
}

describe('a Deployment', () => {
  it.concurrent('follows a deploy, a broken one, and the way back by hand', async () => {
    await using at = await site()
    const sha = (digit: string) => digit.repeat(40)
    const [first, second] = [sha('a'), sha('b')]
    const good = await deploy(at.host, { env: at.env, inputs, sha: first, runId: '1' })
    expectResult(good, 'deployed')
    expect(at.api.deployments).toMatchObject([{ ref: first, environment: 'prod', task: 'deploy' }])
    expect(at.api.deployments[0]?.statuses).toMatchObject([
      { state: 'in_progress' },
      { state: 'success', environment_url: 'https://shop.example.org/' },
    ])

    const more = { inputs: { ...inputs, activate: 'false' }, source: { v: 'two' } }
    expectResult(await deploy(at.host, { env: at.env, ...more, sha: second, runId: '2' }), 'rolled-back')
    expect(at.api.states).toEqual(['in_progress', 'success', 'in_progress', 'failure'])

    expectResult(
      await deploy(at.host, { env: at.env, inputs, source: { v: 'three' }, sha: second, runId: '3' }),
      'deployed',
    )
    const rollback = { ...inputs, mode: 'rollback', path: undefined, strategy: undefined, activate: undefined }
    expectResult(await deploy(at.host, { env: at.env, inputs: rollback, sha: second, runId: '4' }), 'deployed')
    expect(at.api.deployments.at(-1)).toMatchObject({ ref: first, task: 'rollback', statuses: [{ state: 'success' }] })

    expect(new Set(at.api.asked.map((each) => each.token))).toEqual(new Set([token]))
    expect(good.log.split('\n').filter((line) => line.includes(token) && !line.startsWith('::add-mask::'))).toEqual([])
  })

  it.concurrent('of a job that was cancelled ends with it', async () => {
    await using at = await site()
    const slow = { ...inputs, activate: 'echo begun; sleep 60' }
    const result = await deploy(at.host, { env: at.env, inputs: slow, cancelWhen: /│ begun/ })
    expectResult(result, 'rolled-back')
    expect(at.api.states).toEqual(['in_progress', 'failure'])
  })

  it.concurrent('that main was not let finish is ended by post', async () => {
    await using at = await site()
    // The runner ends main, and not the job: its post step runs.
    const slow = { ...inputs, activate: 'echo begun; sleep 60' }
    const onLine = (line: string, run: { pid: number | undefined }) => {
      if (/│ begun/.test(line) && run.pid) process.kill(run.pid, 'SIGKILL')
    }
    const result = await deploy(at.host, { env: at.env, inputs: slow, onLine, skipPost: false })
    expect(result.main.signal).toBe('SIGKILL')
    expect(at.api.states).toEqual(['in_progress', 'error'])
  })
})

const plan = { mode: 'plan', comment: 'true', 'github-token': token }

/** The event of a pull request from a repository of this owner, in a file. */
async function pullRequest(folder: string, from: string): Promise<Record<string, string>> {
  const event = `${folder}/${from}.json`
  const head = { repo: { full_name: `${from}/shop` } }
  await writeFile(event, JSON.stringify({ pull_request: { number: 5, head } }))
  return { GITHUB_EVENT_PATH: event }
}

describe('a plan', () => {
  it.concurrent('is one comment on its pull request, which the next run replaces', async () => {
    await using at = await site()
    await using folder = await scratch('event')
    const pull = async (from: string) => ({ ...at.env, ...(await pullRequest(folder.path, from)) })
    const first = await deploy(at.host, { env: await pull('acme'), inputs: plan, source: { v: 'one' } })
    expectResult(first, 'planned')
    expect(at.api.comments).toHaveLength(1)
    expect(at.api.comments[0]?.body).toMatch(/^<!-- homelab-deploy plan shop {2}-->\n### 📋 shop · `the host`/)
    const second = await deploy(at.host, { env: await pull('acme'), inputs: plan, source: { v: '1', w: '2', x: '3' } })
    expectResult(second, 'planned')
    expect(at.api.comments).toHaveLength(1)
    expect(at.api.comments[0]?.body).toContain('3 files')

    const asked = at.api.asked.length
    const fork = await deploy(at.host, { env: await pull('mallory'), inputs: plan })
    expectResult(fork, 'planned')
    expect(fork.maskedLog).toContain('comes from a fork')
    expect(at.api.asked).toHaveLength(asked)
  })
})

describe('an API that does not work', () => {
  it.concurrent('never fails a deploy: a warning says what it said', async () => {
    await using at = await site()
    at.api.fail({ path: /./, status: 403, times: 100 })
    const result = await deploy(at.host, { env: at.env, inputs })
    expectResult(result, 'deployed')
    expect(result.warnings.map(({ message }) => message)).toEqual([expect.stringContaining('deployments: write')])
    expect(result.summary).toContain('GitHub was not told of this run')
  })

  it.concurrent('is not asked at all by a run that asks for nothing', async () => {
    await using at = await site()
    expectResult(await deploy(at.host, { env: at.env, inputs: { 'github-token': token } }), 'deployed')
    expect(at.api.asked).toEqual([])
  })
})

describe.each([
  ['Gitea', { GITEA_ACTIONS: 'true' }],
  ['Forgejo', { GITEA_ACTIONS: 'true', FORGEJO_ACTIONS: 'true' }],
])('on %s', (name, runner) => {
  it.concurrent('there are no Deployments: one warning says so, and nobody is asked for one', async () => {
    await using at = await site({ gitea: true })
    const env = { ...at.env, ...runner }
    const good = await deploy(at.host, { env, inputs, sha: 'a'.repeat(40) })
    expectResult(good, 'deployed')
    const said = expect.stringMatching(new RegExp(`deployment.*${name} has no Deployments`))
    expect(good.warnings.map(({ message }) => message)).toEqual([said])
    const bad = await deploy(at.host, { env, inputs: { ...inputs, activate: 'false' }, source: { v: 'two' } })
    expectResult(bad, 'rolled-back')
    expect(at.api.asked.filter(({ path }) => path.includes('deployments'))).toEqual([])
  })

  it.concurrent('a plan is one comment, though every page has all of them and nobody is called a bot', async () => {
    await using at = await site({ gitea: true })
    await using folder = await scratch('event')
    const env = { ...at.env, ...runner, ...(await pullRequest(folder.path, 'acme')) }
    for (let n = 0; n < 99; n++) at.api.addComment(`number ${n}`, { login: 'mallory' })
    at.api.addComment('<!-- homelab-deploy plan shop  -->\nnot ours', { login: 'mallory' })
    for (const source of [{ v: 'one' }, { v: '1', w: '2', x: '3' }])
      expectResult(await deploy(at.host, { env, inputs: plan, source }), 'planned')
    expect(at.api.comments).toHaveLength(101)
    expect(at.api.comments.slice(-2).map(({ body }) => body)).toEqual([
      expect.stringContaining('not ours'),
      expect.stringContaining('3 files'),
    ])
    expect(
      at.api.asked.filter(({ method, path }) => method === 'GET' && path.endsWith('/comments')).length,
    ).toBeLessThan(5)
  })
})
