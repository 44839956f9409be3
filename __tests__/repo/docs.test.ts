import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseDocument } from 'yaml'
import { codes } from '../../src/codes.ts'
import { parseBackup } from '../../src/data/index.ts'
import { parseCheck } from '../../src/health/index.ts'
import { isInputName, specs } from '../../src/inputs/spec.ts'
import { loadInputs } from '../../src/inputs.ts'
import { makeKey } from '../helpers/keys.ts'

const pages = globSync(['*.md', 'docs/**/*.md']).sort()
const textOf = (page: string) => readFileSync(page, 'utf8')
const withoutFences = (text: string) => text.replace(/^(`{3,})[^`]*?^\1$/gms, '')

interface Block {
  readonly page: string
  readonly line: number
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: it is about any YAML that somebody may have written
  readonly value: any
}

const blocks = pages.flatMap((page): Block[] =>
  [...textOf(page).matchAll(/^```ya?ml\n(.*?)^```$/gms)].map(({ 1: text = '', index }) => {
    const line = textOf(page).slice(0, index).split('\n').length
    const document = parseDocument(text)
    expect([page, line, ...document.errors, ...document.warnings]).toEqual([page, line])
    return { page, line, text, value: document.toJS() }
  }),
)
const configs = blocks.filter(({ value }) => value.defaults || value.targets)

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
  // A page may speak of the config file that another one shows.
  const target = given.INPUT_TARGET
  const config = [...configs.filter((block) => block.page === page), ...configs].find(
    ({ value }) => target !== undefined && target in value.targets,
  )
  const readFile = () => config?.text
  return loadInputs({ GITHUB_WORKSPACE: '/w', GITHUB_REPOSITORY: 'acme/shop', ...env, ...given }, readFile)
}

interface Step {
  readonly uses?: string
  readonly with?: Record<string, unknown>
}
const ours = (steps: readonly Step[]) => steps.filter(({ uses }) => /\bhomelab-deploy@/.test(uses ?? ''))
const base = {
  ...{ host: 'nas.example.org', path: '/srv/x', 'ssh-key': key.private },
  ...{ strategy: 'script', activate: 'true' },
}

/** Every way in which what a block shows would be read. */
function runsOf({ value, page }: Block): (() => unknown)[] {
  if (value.defaults || value.targets) {
    return Object.keys(value.targets).map((target) => () => load({ target, 'ssh-key': key.private }, page))
  }
  const jobs: { steps: Step[]; strategy?: { matrix: Record<string, string[]> } }[] = Object.values(
    value.jobs ?? { only: { steps: value.steps ?? value } },
  )
  if (!value.jobs && !value.steps && !Array.isArray(value)) return [() => load({ ...base, ...value }, page)]
  // What GitHub gives to a job that may say who it is.
  const oidc =
    value.permissions?.['id-token'] === 'write' ? { ACTIONS_ID_TOKEN_REQUEST_URL: 'https://token.example' } : {}
  const dispatch = value.on?.workflow_dispatch !== undefined
  const events: Inputs[] = [
    ...(dispatch ? [{ mode: 'rollback', to: '4f3c2a1' }, { mode: 'rollback' }] : []),
    ...(value.on?.push || !dispatch ? [{}] : []),
  ]
  return jobs.flatMap(({ steps, strategy }) => {
    const [[name, values] = ['', ['']]] = Object.entries(strategy?.matrix ?? {})
    const matrix = values.map((each) => ({ [name]: each }))
    return ours(steps).flatMap((step) =>
      events.flatMap((event) => matrix.map((each) => () => load(step.with ?? {}, page, event, each, oidc))),
    )
  })
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

  test('both workflows of the README are short', () => {
    const workflows = blocks.filter(({ page, value }) => page === 'README.md' && value.jobs)
    expect(workflows.map(({ text }) => text.trimEnd().split('\n').length <= 15)).toEqual([true, true])
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
  // Of others: GitHub, actions/checkout.
  const others = ['uses', 'permissions', 'submodules', 'lfs', 'fetch-depth', 'max-parallel']
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
