import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  configOf,
  type Documented,
  distinct,
  documented,
  hostsOf,
  inputsOf,
  startService,
  strategyOf,
  toolsOfTheHost,
} from '../helpers/documented.ts'
import { isOurs, jobsOf, yamlBlocks } from '../helpers/documents.ts'
import { type EmbeddedHost, startHost } from '../helpers/embedded-host.ts'
import { type RunResult, runAction } from '../helpers/run-action.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, expectResult, liveTree } from '../helpers/story.ts'
import { commitTree, type Tree, writeTree } from '../helpers/tree.ts'

// Every step of this action that a page shows is run: what people copy is what is tested. Changed is only what exists in
// the example alone: names, keys, folders outside of the home, ports, and how long a version has to stay healthy.
const blocks = yamlBlocks()
const all = blocks.flatMap(documented)

/** Without an engine, units, Nix, or root by sudo. */
const runsHere = (story: Documented) => strategyOf(story, blocks) === 'script' && story.step.with?.sudo !== 'always'
/** What needs more is run in the lab (`lab/documented`, and the recipes); of that the README's own gets here as far as it can. */
const stories = all.filter((story) => runsHere(story) || story.block.page === 'README.md')

/** What the host of this test cannot do. */
const farther: Readonly<Record<string, RegExp>> = {
  compose: /HD-ENGINE-01/,
  stack: /HD-ENGINE-01/,
  uv: /HD-(PATH|UV|UNIT)-\d+/,
  colmena: /HD-PATH-01/,
}
/** At the least: its inputs were accepted. */
const accepted = /HD-(?!INPUT|ENV|STRATEGY|INTERNAL)[A-Z]+-\d+$/
const expected: Readonly<Record<string, string>> = {
  deploy: 'deployed',
  rollback: 'deployed',
  plan: 'planned',
  status: 'healthy',
}

/** What may lie in the repositories of the examples. */
const app: Tree = {
  'index.html': 'hello\n',
  'start.sh': { text: '#!/bin/sh\nexec true\n', mode: 0o755 },
  'docker-compose.yml': 'services: { web: { image: web } }\n',
  'uv.lock': 'version = 1\n',
  'pyproject.toml': '[project]\nname = "app"\nversion = "1"\n',
}

interface Site {
  readonly hosts: readonly EmbeddedHost[]
  run(inputs: Record<string, string>, source: Tree, env?: Record<string, string>): Promise<RunResult>
  readonly inputs: Record<string, string>
}

async function siteOf(story: Documented, open: AsyncDisposableStack): Promise<Site> {
  // Should this machine have an engine, it is not for this test.
  const env = { DOCKER_HOST: 'unix:///nowhere' }
  const first = open.use(await startHost({ env }))
  const hosts = [first]
  for (let n = 1; n < hostsOf(story, blocks); n++)
    hosts.push(open.use(await startHost({ env, authorizedKeys: [first.clientKey.public] })))
  const jump = story.step.with?.['jump-host']
    ? open.use(await startHost({ authorizedKeys: [first.clientKey.public], forward: true }))
    : undefined
  const places = { hosts, jump, service: await startService(open), tools: await toolsOfTheHost(open) }
  // Where a step gives no key, the tailnet would know who we are.
  const inputs: Record<string, string> = { 'ssh-key': first.clientKey.private, ...inputsOf(story, places) }
  const workspace = open.use(await scratch('documented')).path
  return {
    hosts,
    inputs: { 'health-timeout': '9s', 'health-stable': '0s', 'connect-timeout': '5s', ...inputs },
    async run(given, source, env = {}) {
      const tree = { ...source, '.github/homelab-deploy.yml': configOf(story, blocks, places) }
      await writeTree(workspace, inputs.target ? tree : source)
      const folder = join(workspace, inputs.source ?? '')
      await mkdir(folder, { recursive: true })
      if (inputs.source) await writeTree(folder, source)
      const sha = inputs.sync === 'git' ? await commitTree(workspace, {}) : undefined
      return await runAction({
        inputs: given,
        workspace,
        skipPost: true,
        env: { GITHUB_API_URL: 'http://127.0.0.1:1', ...env },
        ...(sha ? { sha } : {}),
      })
    },
  }
}

const withoutTailnet = (inputs: Record<string, string>) =>
  Object.fromEntries(Object.entries(inputs).filter(([name]) => !name.startsWith('tailnet')))

/** What a step looks at, or goes back from: by the step itself where that can deploy, else by what must have been there. */
async function deployFirst({ hosts, run, inputs }: Site, { step }: Documented, versions: readonly string[]) {
  const own = step.with?.strategy === 'script'
  const push = { ...withoutTailnet(inputs), mode: 'deploy', to: '' }
  for (const v of versions) {
    if (own) expectResult(await run(push, { ...app, v }), 'deployed')
    else
      for (const host of hosts)
        expectResult(await deploy(host, { source: { v }, inputs: { name: inputs.name } }), 'deployed')
  }
}

const nameOf = (same: readonly Documented[]) => {
  const [story] = same as [Documented]
  const { step, matrix, form } = story
  return [
    same.map(({ block }) => `${block.page}, line ${block.line}`).join(' = '),
    ...[step.with?.strategy ?? step.with?.mode ?? ''].filter((word) => word && !String(word).includes('$')),
    ...Object.values(matrix).filter(Boolean),
    ...(form.mode ? ['by hand'] : []),
    ...(runsHere(story) ? [] : ['as far as this host can']),
  ].join(', ')
}

describe('on a host', () => {
  it.concurrent.each(distinct(stories, blocks).map((same) => [nameOf(same), same[0]] as const))(
    '%s',
    async (_, first) => {
      const story = first as Documented
      await using open = new AsyncDisposableStack()
      const site = await siteOf(story, open)
      const inputs = withoutTailnet(site.inputs)
      const [host] = site.hosts as [EmbeddedHost]
      const { mode = '' } = inputs
      const strategy = strategyOf(story, blocks)
      const here = runsHere(story)
      if (here && mode === 'status') await deployFirst(site, story, ['one\n'])
      if (here && mode === 'rollback') await deployFirst(site, story, ['one\n', 'two\n'])
      const run = await site.run(inputs, { ...app, v: 'three\n' })
      if (here) return expectResult(run, expected[mode || 'deploy'] ?? '')
      const reached = farther[strategy] ?? accepted
      expect(run.errors.map(({ message }) => message)).toEqual([expect.stringMatching(reached)])
      expect(Object.keys(await liveTree(host, '.')).filter((name) => !name.startsWith('.local/'))).toEqual([])
    },
  )
})

/** A job that may ask who it is, and is never answered. */
const oidc = { ACTIONS_ID_TOKEN_REQUEST_URL: 'http://127.0.0.1:1/', ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'a-token' }

describe('in a tailnet, as far as the programs for it', () => {
  const ways = (story: Documented) => Object.entries(story.step.with ?? {}).filter(([name]) => /^tailnet-/.test(name))
  // A way to join is the same whatever is deployed then.
  const joining = Object.groupBy(
    all.filter((story) => runsHere(story) && ways(story).length > 0),
    (story) => JSON.stringify(ways(story)),
  )
  it.concurrent.each(Object.values(joining).map((same = []) => [nameOf(same), same[0]] as const))(
    '%s',
    async (_, first) => {
      await using open = new AsyncDisposableStack()
      const site = await siteOf(first as Documented, open)
      const empty = open.use(await scratch('no-programs')).path
      const run = await site.run({ ...site.inputs, 'tailnet-binary': empty }, app, oidc)
      expect(run.errors.map(({ message }) => message)).toEqual([expect.stringMatching(/HD-TAILNET-0[12]/)])
      expect(site.hosts[0]?.logins).toEqual([])
    },
  )
})

it('no step of the documents is left out', () => {
  const shown = blocks.flatMap((block) => jobsOf(block).flatMap(({ steps }) => steps.filter(isOurs)))
  expect(new Set(all.map(({ step }) => step))).toEqual(new Set(shown))
  expect(shown.length).toBeGreaterThan(15)
})
