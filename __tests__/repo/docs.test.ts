import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { codes } from '../../src/codes.ts'
import { parseBackup } from '../../src/data/index.ts'
import { parseCheck } from '../../src/health/index.ts'
import { isInputName, specs } from '../../src/inputs/spec.ts'
import { loadInputs } from '../../src/inputs.ts'
import { strategies } from '../../src/strategies/index.ts'
import { type Block, configFor, isOurs, jobsOf, matrixOf, pages, textOf, yamlBlocks } from '../helpers/documents.ts'
import { makeKey } from '../helpers/keys.ts'

const lineOf = (text: string, part: string) => text.slice(0, text.indexOf(part)).split('\n').length
const withoutFences = (text: string) => text.replace(/^(`{3,})[^`]*?^\1$/gms, '')
const blocks = yamlBlocks()

const key = makeKey()
type Inputs = Record<string, string>

/** What stands for an expression; one that nobody foresaw fails, so that none is documented without a thought. */
function standIn(expression: string, event: Inputs, matrix: Inputs): string {
  const [, context, name = ''] = /^(\w+)\.(\w+)(?: \|\| '(\w+)')?$/.exec(expression) ?? []
  const otherwise = /'(\w+)'$/.exec(expression)?.[1] ?? ''
  if (context === 'inputs') return event[name] || otherwise
  if (context === 'matrix') return matrix[name] as string
  if (context === 'vars' && name.endsWith('HOST_KEY')) return key.public.split(' ').slice(0, 2).join(' ')
  if (context === 'vars' && name.endsWith('_HOST')) return 'root@nas.example.org'
  if (context === 'vars' && name === 'TAILNET_CLIENT_ID') return 'k123CNTRL'
  if (context === 'github' && name === 'token') return 'ghs_token'
  if (context === 'secrets') {
    return name === 'SSH_KEY' ? key.private : Buffer.from(`a secret: ${name}`).toString('base64')
  }
  if (/^steps\.[\w.-]+$/.test(expression)) return ''
  throw new Error(`What is the value of ${expression}?`)
}

/** Loads the inputs as in a job: throws, with all problems, when the action would refuse them. */
function load(
  inputs: Record<string, unknown>,
  page: string,
  event: Inputs = {},
  matrix: Inputs = {},
  env: Inputs = {},
) {
  const given = Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [
      `INPUT_${name.toUpperCase()}`,
      String(value).replace(/\$\{\{ *(.*?) *\}\}/g, (_, expression: string) => standIn(expression, event, matrix)),
    ]),
  )
  const target = given.INPUT_TARGET
  const readFile = () => (target === undefined ? undefined : configFor(target, page, blocks)?.text)
  return loadInputs({ GITHUB_WORKSPACE: '/w', GITHUB_REPOSITORY: 'acme/shop', ...env, ...given }, readFile)
}

const base = {
  host: 'nas.example.org',
  path: '/srv/x',
  'ssh-key': key.private,
  strategy: 'script',
  activate: 'true',
}

/** Every way in which what a block shows would be read. */
function runsOf(block: Block): (() => unknown)[] {
  const { value, page } = block
  if (value.defaults || value.targets) {
    return Object.keys(value.targets).map((target) => () => load({ target, 'ssh-key': key.private }, page))
  }
  const jobs = jobsOf(block)
  if (jobs.length === 0) return [() => load({ ...base, ...value }, page)]
  // What GitHub gives to a job that may say who it is.
  const oidc =
    value.permissions?.['id-token'] === 'write' ? { ACTIONS_ID_TOKEN_REQUEST_URL: 'https://token.example' } : {}
  const dispatch = value.on?.workflow_dispatch !== undefined
  const events: Inputs[] = [
    ...(dispatch ? [{ mode: 'rollback', to: '4f3c2a1' }, { mode: 'rollback' }] : []),
    ...(value.on?.push || !dispatch ? [{}] : []),
  ]
  return jobs.flatMap((job) =>
    job.steps
      .filter(isOurs)
      .flatMap((step) =>
        events.flatMap((event) =>
          matrixOf(job).map((matrix) => () => load(step.with ?? {}, page, event, matrix, oidc)),
        ),
      ),
  )
}

describe('YAML in the documents', () => {
  test('there is some', () => {
    expect(blocks.length).toBeGreaterThan(8)
  })

  test.each(blocks.map((block) => [`${block.page}, line ${block.line}`, block] as const))('%s', (_, block) => {
    const runs = runsOf(block)
    expect(runs).not.toHaveLength(0)
    for (const run of runs) expect(run()).toHaveProperty('plan')
  })

  test('the README has a short workflow for each strategy', () => {
    const readme = textOf('README.md')
    const [from, to] = ['\n## Quick start\n', '\n### In a tailnet\n'].map((title) => lineOf(readme, title)) as [
      number,
      number,
    ]
    const quick = blocks.filter(
      ({ page, line, value }) => page === 'README.md' && line > from && line < to && value.jobs,
    )
    expect(quick.filter(({ text }) => text.trimEnd().split('\n').length > 15)).toEqual([])
    const shown = quick.map(({ value }) => value.jobs.deploy.steps.find(isOurs).with.strategy)
    expect(shown.toSorted()).toEqual(strategies.map(({ name }) => name).toSorted())
  })

  test('what would be refused is noticed', () => {
    const steps = (inputs: string) =>
      runsOf({
        page: '',
        line: 0,
        text: '',
        value: [{ uses: 'org/homelab-deploy@v1', with: { ...base, keep: inputs } }],
      })
    expect(() => steps('0').map((run) => run())).toThrow(/`keep` "0"/)
    expect(() => steps(`\${{ runner.temp }}`).map((run) => run())).toThrow(/What is the value/)
  })
})

describe('links', () => {
  const anchorsOf = (page: string): string[] =>
    [...withoutFences(textOf(page)).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    )

  test.each(pages)('%s: every relative one leads somewhere', (page) => {
    const links = [...withoutFences(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => to)
    const broken = links.filter((link) => {
      if (/^https?:/.test(link)) return false
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? page : join(dirname(page), file)
      return !existsSync(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor))
    })
    expect(broken).toEqual([])
  })
})

describe('error codes', () => {
  // A code that no test names could be wrong, or could never come.
  const tests = globSync('__tests__/**/*.ts').filter((file) => !file.startsWith('__tests__/repo/'))
  const named = new Set(tests.flatMap((file) => readFileSync(file, 'utf8').match(/\bHD-[A-Z]+-\d+\b/g) ?? []))
  const source = globSync('src/**/*.ts').filter((file) => file !== 'src/codes.ts')
  const raised = new Set(source.flatMap((file) => readFileSync(file, 'utf8').match(/\bHD-[A-Z]+-\d+\b/g) ?? []))

  test.each(Object.keys(codes))('%s is raised, explained and tested', (code) => {
    expect(raised).toContain(code)
    expect(textOf('docs/errors.md')).toContain(`## ${code}\n`)
    expect(named).toContain(code)
  })
})

test('every error code that is mentioned exists', () => {
  const mentioned = pages.flatMap((page) => textOf(page).match(/\bHD-[A-Z]+-\d+\b/g) ?? [])
  expect(mentioned.filter((code) => !Object.hasOwn(codes, code))).toEqual([])
})

test('what the text says as `input: value` may be written so', () => {
  const byHand = pages.filter((page) => !['docs/inputs.md', 'docs/errors.md', 'CHANGELOG.md'].includes(page))
  const said = byHand.flatMap((page) => [
    ...withoutFences(textOf(page).replace(/<!-- (\w+) -->.*?<!-- \/\1 -->/gs, '')).matchAll(
      /`([a-z][a-z-]+): ([^`]+)`/g,
    ),
  ])
  // Of others: GitHub, Forgejo, actions/checkout.
  const others = [
    ...['uses', 'permissions', 'container', 'enable-openid-connect', 'submodules', 'lfs', 'fetch-depth'],
    ...['max-parallel', 'cancel-in-progress'],
  ]
  const wrong = said.filter(([, name = '', value = '']) => {
    if (name === 'command') return value !== '…' && typeof parseCheck(`command: ${value}`) === 'string'
    if (/^(tar|sqlite|postgres)$/.test(name))
      return !value.includes('…') && typeof parseBackup(`${name}: ${value}`) === 'string'
    if (!isInputName(name)) return !others.includes(name)
    const problems: string[] = []
    if (!/…|\$\{\{/.test(value)) specs[name].form.read({ text: value, from: '' }, (what) => void problems.push(what))
    return problems.length > 0
  })
  expect(wrong.map(([text]) => text)).toEqual([])
})
