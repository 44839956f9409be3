import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { configSchema } from '../../../scripts/docs/schema.ts'
import { fill, staleFiles } from '../../../scripts/docs.ts'
import { codes } from '../../../src/codes.ts'
import type { Refuse } from '../../../src/inputs/form.ts'
import { inputNames, specs } from '../../../src/inputs/spec.ts'
import { outputNames } from '../../../src/report/outputs.ts'

/** The contract with users, repeated here on purpose: to rename one of these is to break somebody's workflow. */
const contract = `
mode strategy name config target host ssh-key ssh-key-passphrase host-key jump-host jump-host-key connect-timeout
tailnet tailnet-authkey tailnet-client-id tailnet-client-secret tailnet-audience tailnet-tags tailnet-login-server
tailnet-hostname tailnet-version tailnet-binary tailnet-api-url source path sync exclude protect delete-limit
env-file env-path secret-files flake build-on nix-args flake-check activation nodes colmena-args
uv-args services restart unit-files service-scope compose-files compose-project compose-profiles images registry
registry-username registry-password verify prepare activate restore backup migrate before after
health health-timeout health-stable rollback confirm-timeout lock-timeout keep allow-downgrade force sudo
if-unconfigured require-release to environment url github-token comment deployment`
  .trim()
  .split(/\s+/)

const file = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8')

describe('the table of inputs', () => {
  test('holds every input of the contract', () => {
    expect([...inputNames].sort()).toEqual(expect.arrayContaining([...contract].sort()))
  })

  test.each(inputNames)('%s: described in one sentence, with a default that its own form accepts', (name) => {
    const { description, default: value, form } = specs[name]
    expect(description).toMatch(/^[A-Z`].*\.$/)
    expect(description).not.toContain('\n')
    const refuse: Refuse = (what) => {
      throw new Error(what)
    }
    if (value !== undefined) expect(form.read({ text: value, from: '' }, refuse)).toBeDefined()
  })
})

describe('what is generated', () => {
  test('is fresh (run `npm run docs`)', () => {
    expect([...staleFiles().keys()]).toEqual([])
  })

  test('action.yml declares all inputs and outputs, gives no default, and runs on node24', () => {
    const action = parse(file('action.yml'))
    expect(Object.keys(action.inputs)).toEqual(inputNames)
    expect(Object.keys(action.outputs)).toEqual([...outputNames])
    expect(Object.values<object>(action.inputs).filter((input) => 'default' in input)).toEqual([])
    expect(action.runs).toEqual({
      using: 'node24',
      main: 'dist/index.js',
      post: 'dist/index.js',
      'post-if': 'always()',
    })
    expect(action.description.length).toBeLessThan(125)
    expect(file('action.yml')).not.toContain('${{')
  })

  test('the schema offers what may be in the file, and refuses secrets', () => {
    const { definitions } = JSON.parse(configSchema())
    const { properties } = definitions.inputs
    expect(Object.keys(properties)).toEqual(inputNames.filter((name) => name !== 'config' && name !== 'target'))
    expect(properties['ssh-key'].not).toEqual({})
    expect(properties.sync.enum).toEqual(['auto', 'rsync', 'git', 'tar', 'none'])
    expect(properties.keep).toMatchObject({ type: 'integer', minimum: 1 })
    expect(new RegExp(properties['lock-timeout'].pattern).test('1h30m')).toBe(true)
  })

  test('errors.md has a heading for each code', () => {
    const headings = file('docs/errors.md').match(/^## .*$/gm)
    expect(headings).toEqual(Object.keys(codes).map((code) => `## ${code}`))
  })

  test('the README is filled between its marks', () => {
    expect(fill('a\n<!-- x -->\nold\n<!-- /x -->\nb', 'x', 'new\n')).toBe('a\n<!-- x -->\nnew\n<!-- /x -->\nb')
    expect(fill('no marks', 'x', 'new')).toBe('no marks')
    expect(() => fill('<!-- x -->', 'x', 'new')).toThrow(/needs/)
  })
})
