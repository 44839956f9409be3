import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadInputs } from '../../../src/inputs.ts'
import { enough, load, planOf, refusal, textOf } from './helpers.ts'

const config = `
defaults:
  path: /srv/default
  keep: 7
  force: True
  exclude:
    - node_modules
    - '*.log'
targets:
  staging:
    host: stage.example.org
    activate: |
      systemctl restart shop

      echo done
  prod:
    host: [prod.example.org]
    path: /srv/prod
    lock-timeout: 1h
`
const { INPUT_HOST: _, INPUT_PATH: __, ...noPlace } = enough
const planFrom = (text: string, env: Record<string, string> = {}) => {
  const loaded = load({ ...noPlace, ...env }, { '.github/homelab-deploy.yml': text })
  if ('skip' in loaded) throw new Error('skipped')
  return loaded.plan
}

describe('the config file', () => {
  test('the workflow wins over the target, the target over the defaults, these over ours', () => {
    const plan = planFrom(config, { INPUT_TARGET: 'prod', 'INPUT_LOCK-TIMEOUT': '2m' })
    expect(plan.sync).toMatchObject({ path: '/srv/prod', exclude: ['node_modules', '*.log'], deleteLimit: 1000 })
    expect(plan.safety).toMatchObject({ keep: 7, force: true, lockTimeout: 120_000 })
    expect(plan.targets.map(({ address }) => address.host)).toEqual(['prod.example.org'])
    expect(plan.values).toMatchObject({
      target: 'prod',
      path: '/srv/prod',
      exclude: 'node_modules\n*.log',
      force: 'True',
    })
    expect([...plan.given]).toEqual(expect.arrayContaining(['path', 'keep', 'lock-timeout', 'target']))
    expect(plan.given.has('delete-limit')).toBe(false)
  })

  test('the target names the environment, unless that has a name of its own', () => {
    expect(planFrom(config, { INPUT_TARGET: 'prod' }).report.environment).toBe('prod')
    expect(planFrom(config, { INPUT_TARGET: 'prod', INPUT_ENVIRONMENT: 'live' }).report.environment).toBe('live')
  })

  test('text of several lines stays as it is', () => {
    expect(planFrom(config, { INPUT_TARGET: 'staging' }).scripts.activate).toBe('systemctl restart shop\n\necho done')
  })

  test('scalars stay as they are written', () => {
    const text = 'defaults: { mode: rollback, to: 00123400, host: nas, rollback: off, sync: none, name: 1e5 }'
    expect(planFrom(text)).toMatchObject({ to: '00123400', safety: { rollback: 'off' }, name: '1e5' })
  })

  test('what is empty was not given', () => {
    expect(planOf({}, 'defaults:\n  exclude:\n  keep: ~\n  protect: []\ntargets:\n')).toMatchObject({
      safety: { keep: 5 },
    })
    expect(planOf({}, '').name).toBe('shop')
    expect(planOf({}, '# nothing\n').name).toBe('shop')
  })

  test('anchors', () => {
    expect(
      planFrom('defaults: { path: &p /srv/a, host: nas }\ntargets: { a: { path: *p } }', { INPUT_TARGET: 'a' }).sync
        .path,
    ).toBe('/srv/a')
  })

  test('no target is fine when the defaults suffice, and named when they do not', () => {
    expect(planFrom('defaults: { host: nas, path: /srv/a }\ntargets: { a: {} }').targets).toHaveLength(1)
    expect(() => planFrom(config)).toThrow(/`host` is missing/)
    expect(textOf(refusal({ INPUT_HOST: '' }, config))).toContain('`target`: staging, prod')
  })

  test.each([
    [
      'an unknown target',
      config,
      { INPUT_TARGET: 'prd' },
      /`target` "prd" is unknown.*Did you mean `prod`\?.*staging, prod/s,
    ],
    ['a target without targets', 'defaults: {}', { INPUT_TARGET: 'prod' }, /has no targets/],
    ['a key twice', 'defaults:\n  keep: 1\n  keep: 2\n', {}, /line 3\).*unique.*Remove one/s],
    [
      'broken YAML',
      'defaults:\n  keep: [1\n',
      {},
      /`config` \(\.github\/homelab-deploy\.yml, line \d\).*not valid YAML/,
    ],
    ['two documents', 'defaults: {}\n---\ndefaults: {}\n', {}, /line \d.*not valid YAML/],
    ['an unknown tag', 'defaults:\n  keep: !vault x\n', {}, /line 2.*not valid YAML/],
    ['an unknown key', 'defaults:\n  hots: nas\n', {}, /`hots` \(.*line 2\) is not an input.*Did you mean `host`\?/s],
    ['an unknown key in another target', 'targets:\n  a:\n    pth: /srv/a\n', {}, /`pth` \(.*line 3\).*`path`/s],
    ['an input at the top', 'host: nas\n', {}, /has `host` at its top.*under `defaults:`/s],
    [
      'an unknown key at the top',
      'target:\n  a: {}\ndefault: {}',
      {},
      /`target` at its top.*unknown key `default`.*Did you mean `defaults`/s,
    ],
    ['no mapping', '- a\n- b\n', {}, /has no mapping at its top/],
    [
      'no mapping below',
      'defaults: nas\ntargets: [a]',
      {},
      /has no mapping under `defaults`.*has no mapping under `targets`/s,
    ],
    ['a target of text', 'targets: { a: nas }', {}, /has no mapping under the target `a`/],
    ['a target with an odd name', 'targets: { "a b": {} }', {}, /without a plain name/],
    [
      'a secret',
      'defaults:\n  ssh-key: hunter22\n',
      {},
      /`ssh-key` \(.*line 2\) is a secret, and this file is committed.*replace it/s,
    ],
    [
      'the choice of the file itself',
      'defaults: { config: x, target: y }',
      {},
      /`config`.*has no place.*`target`.*has no place/s,
    ],
    ['a mapping', 'defaults: { host: { a: b } }', {}, /`host` .*holds a mapping/],
    ['a list where one value goes', 'defaults: { path: [/srv/a, /srv/b] }', {}, /`path`.*takes no list/],
    ['a list of lists', 'defaults: { exclude: [[a]] }', {}, /list of something else/],
    ['an empty item', "defaults: { exclude: [a, ''] }", {}, /empty item/],
    ['an item of several lines', 'defaults: { exclude: ["a\\nb"] }', {}, /"a\\u\{a\}b" holds a control character/],
    ['an asterisk that is no reference', 'defaults:\n  exclude:\n    - *.log\n', {}, /reference: put it in quotes/],
    [
      'a value in it',
      'defaults:\n  keep: 0\n',
      {},
      /`keep` \(\.github\/homelab-deploy\.yml, line 2\) "0" is not a number that fits/,
    ],
  ])('refuses %s', (_, text, env, reason) => {
    const error = refusal(env, text)
    expect(error.code).toBe('HD-INPUT-01')
    expect(textOf(error)).toMatch(reason)
    expect(textOf(error)).not.toContain('hunter22')
  })

  test('what a broken file may have held is not called missing', () => {
    for (const [text, env] of [
      ['a: [', {}],
      [config, { INPUT_TARGET: 'x' }],
    ] as const) {
      const error = refusal({ INPUT_HOST: '', INPUT_PATH: '', ...env }, text)
      expect(textOf(error)).not.toContain('is missing')
    }
  })

  test('a file that is named has to be there, a usual one need not', () => {
    expect(textOf(refusal({ INPUT_CONFIG: 'deploy.yml' }))).toMatch(/`config` "deploy.yml" does not exist/)
    expect(textOf(refusal({ INPUT_TARGET: 'prod' }))).toMatch(/homelab-deploy.yml` does not exist/)
    expect(textOf(refusal({ INPUT_CONFIG: 'a\u0007b' }))).toMatch(/"a\\u\{7\}b" holds a control character/)
  })

  test.each(['../other.yml', '/etc/passwd', 'a/../../x'])('%s lies outside', (file) => {
    expect(textOf(refusal({ INPUT_CONFIG: file }))).toMatch(/lies outside the workspace/)
  })

  test('on a disk: read, links out of the workspace refused, folders refused', () => {
    const base = mkdtempSync(join(tmpdir(), 'inputs-'))
    onTestFinished(() => rmSync(base, { recursive: true }))
    const workspace = join(base, 'w')
    mkdirSync(join(workspace, '.github'), { recursive: true })
    const env = { ...noPlace, GITHUB_WORKSPACE: workspace }
    writeFileSync(join(workspace, '.github/homelab-deploy.yml'), 'defaults: { host: nas, path: /srv/disk }')
    writeFileSync(join(base, 'outside.yml'), 'hunter22: true')
    symlinkSync('../outside.yml', join(workspace, 'link.yml'))
    symlinkSync('.github/homelab-deploy.yml', join(workspace, 'inner.yml'))

    expect(loadInputs(env)).toMatchObject({ plan: { sync: { path: '/srv/disk' } } })
    expect(loadInputs({ ...env, INPUT_CONFIG: 'inner.yml' })).toMatchObject({ plan: { sync: { path: '/srv/disk' } } })
    expect(() => loadInputs({ ...env, INPUT_CONFIG: 'link.yml' })).toThrow(
      /`config` "link.yml" is a link that leads out/,
    )
    expect(() => loadInputs({ ...env, INPUT_CONFIG: '.github' })).toThrow(/is not a file/)
    expect(() => loadInputs({ ...env, INPUT_CONFIG: 'inner.yml/x' })).toThrow(/does not exist/)
  })
})
