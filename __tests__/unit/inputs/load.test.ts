import { writeFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { scratch } from '../../helpers/scratch.ts'
import { enough, key, load, planOf, refusal, textOf } from './helpers.ts'

const { 'INPUT_SSH-KEY': _, ...keyless } = enough

describe('a plan', () => {
  test('from as little as possible', () => {
    const plan = planOf()
    expect(plan).toMatchObject({
      mode: 'deploy',
      strategy: 'auto',
      name: 'shop',
      to: '',
      files: [],
      scripts: {},
      sync: {
        source: '/work space',
        path: '/srv/shop',
        method: 'auto',
        exclude: [],
        protect: [],
        deleteLimit: 1000,
        commit: '',
      },
      safety: {
        rollback: 'auto',
        lockTimeout: 900_000,
        keep: 5,
        force: false,
        allowDowngrade: false,
        sudo: 'auto',
        ifUnconfigured: 'fail',
      },
      report: { environment: '', url: '', comment: false, deployment: false },
    })
    const [target] = plan.targets
    expect(target).toMatchObject({
      address: { user: 'deploy', host: 'nas.example.org', port: 22 },
      hostKey: { mode: 'strict' },
      connectTimeout: 90_000,
    })
    expect(target?.key?.reveal()).toBe(`${key.private.trim()}\n`)
    expect(target).not.toHaveProperty('jump')
    expect(target).not.toHaveProperty('agent')
    expect([...plan.given].sort()).toEqual(['host', 'path', 'ssh-key'])
    expect(plan.values).toMatchObject({ name: 'shop', host: 'deploy@nas.example.org', keep: '5', sync: 'auto' })
  })

  test('with everything that is built', () => {
    const plan = planOf({
      INPUT_MODE: 'deploy',
      INPUT_STRATEGY: 'script',
      INPUT_NAME: 'web.1',
      'INPUT_SSH-KEY-PASSPHRASE': 'hunter22',
      'INPUT_HOST-KEY': key.fingerprint,
      'INPUT_JUMP-HOST': 'gate:2222',
      'INPUT_JUMP-HOST-KEY': 'accept-new',
      'INPUT_CONNECT-TIMEOUT': '5s',
      INPUT_SOURCE: 'build/../out',
      INPUT_SYNC: 'tar',
      INPUT_EXCLUDE: '# not needed there\nnode_modules\n\n*.log\n',
      INPUT_PROTECT: '/data',
      'INPUT_DELETE-LIMIT': '0',
      'INPUT_ENV-FILE': 'TOKEN=hunter33\r\n',
      'INPUT_ENV-PATH': 'conf/.env',
      INPUT_ACTIVATE: 'a\r\nb\n',
      INPUT_PREPARE: 'p',
      INPUT_RESTORE: 'r',
      INPUT_BEFORE: 'x',
      INPUT_AFTER: 'y',
      INPUT_ROLLBACK: 'off',
      INPUT_FORCE: 'TRUE',
      INPUT_SUDO: 'never',
      INPUT_ENVIRONMENT: 'prod',
      INPUT_URL: 'https://shop.example.org/x?y',
      INPUT_TAILNET: 'off',
    })
    expect(plan).toMatchObject({
      strategy: 'script',
      name: 'web.1',
      sync: {
        source: '/work space/out',
        method: 'tar',
        exclude: ['node_modules', '*.log'],
        protect: ['/data'],
        deleteLimit: 0,
      },
      scripts: { activate: 'a\nb', prepare: 'p', restore: 'r', before: 'x', after: 'y' },
      safety: { rollback: 'off', force: true, sudo: 'never' },
      report: { environment: 'prod', url: 'https://shop.example.org/x?y' },
      targets: [
        { jump: { address: { host: 'gate', port: 2222 }, hostKey: { mode: 'accept-new' } }, connectTimeout: 5_000 },
      ],
    })
    expect(plan.files.map(({ path }) => path)).toEqual(['conf/.env'])
    expect(Buffer.from(plan.files[0]?.base64.reveal() ?? '', 'base64').toString()).toBe('TOKEN=hunter33\n')
    const shown = inspect(plan, { depth: 10 }) + JSON.stringify(plan)
    for (const secret of [
      'hunter22',
      'hunter33',
      key.private.split('\n')[1] ?? '?',
      Buffer.from('hunter33').toString('base64'),
    ]) {
      expect(shown).not.toContain(secret)
    }
  })

  test('knows who asked', () => {
    const sha = 'A'.repeat(40)
    const { run, sync } = planOf({
      GITHUB_SERVER_URL: 'https://git.example.org',
      GITHUB_API_URL: 'https://git.example.org/api/v3',
      GITHUB_WORKFLOW_REF: 'acme/shop/.github/workflows/deploy.yml@refs/heads/main',
      GITHUB_RUN_ID: '7',
      GITHUB_RUN_ATTEMPT: '2',
      GITHUB_SHA: sha,
      GITHUB_REF: 'refs/heads/a\u001b[31m\nb',
      GITHUB_ACTOR: 'me',
      GITHUB_WORKFLOW: 'Deploy it',
      GITHUB_JOB: 'deploy',
      GITHUB_EVENT_NAME: 'push',
      RUNNER_ENVIRONMENT: 'github-hosted',
      RUNNER_TEMP: '/tmp/r',
    })
    expect(run).toEqual({
      forge: expect.objectContaining({ name: 'GitHub' }),
      repository: 'acme/shop',
      sha: sha.toLowerCase(),
      ref: 'refs/heads/a [31m b',
      actor: 'me',
      workflow: 'Deploy it',
      job: 'deploy',
      id: '7',
      attempt: '2',
      url: 'https://git.example.org/acme/shop/actions/runs/7/attempts/2',
      event: 'push',
      hosted: true,
      apiUrl: 'https://git.example.org/api/v3',
      workflowFile: 'deploy.yml',
      temp: '/tmp/r',
    })
    expect(sync.commit).toBe(sha.toLowerCase())
    expect(planOf({ GITHUB_SHA: '$(id)' }).sync.commit).toBe('')
    expect(planOf().run.url).toBe('')
  })

  test.each([
    ['a pull request', { pull_request: { number: 3, head: { repo: { full_name: 'acme/shop' } } } }, false],
    ['one of a fork', { pull_request: { number: 3, head: { repo: { full_name: 'eve/shop' } } } }, true],
    ['one of a fork that is gone', { pull_request: { number: 3, head: { repo: null } } }, true],
    ['a comment on one', { issue: { number: 3, pull_request: {} } }, false],
    ['a comment on an issue', { issue: { number: 3 } }, undefined],
    ['a push', { ref: 'refs/heads/main' }, undefined],
    ['what is no event', 'nothing', undefined],
  ])('knows the pull request behind %s', async (_, event, fork) => {
    await using folder = await scratch('event')
    const file = `${folder.path}/event.json`
    writeFileSync(file, JSON.stringify(event))
    expect(planOf({ GITHUB_EVENT_PATH: file }).run.pull).toEqual(fork === undefined ? undefined : { number: 3, fork })
  })

  test.each([
    ['acme/shop', 'shop'],
    ['acme/.github', 'github'],
    ['acme/my shop!', 'my-shop-'],
    [`acme/${'x'.repeat(100)}`, 'x'.repeat(64)],
  ])('the repository %s gives it a safe name', (repository, name) => {
    expect(planOf({ GITHUB_REPOSITORY: repository })).toMatchObject({ name, values: { name } })
  })

  test('an agent instead of a key', () => {
    const loaded = load({ ...keyless, SSH_AUTH_SOCK: '/run/agent' })
    expect(loaded).toMatchObject({ plan: { targets: [{ agent: '/run/agent' }] } })
    expect('plan' in loaded && loaded.plan.targets[0]).not.toHaveProperty('key')
    expect(planOf({ SSH_AUTH_SOCK: '/run/agent' }).targets[0]).not.toHaveProperty('agent')
  })

  test('a rollback needs only the connection', () => {
    const plan = planOf({ INPUT_MODE: 'rollback', INPUT_PATH: '', INPUT_TO: 'a1b2' })
    expect(plan).toMatchObject({ mode: 'rollback', to: 'a1b2', sync: { path: '' } })
    expect(plan.given.has('path')).toBe(false)
  })

  test.each([
    'a1b2',
    '0'.repeat(40),
    '17',
    `sha256:${'a'.repeat(64)}`,
    `ghcr.io/a/b@sha256:${'a'.repeat(64)}`,
    '20250101-120000-a1b2c3d',
  ])('back to %s', (to) => {
    expect(planOf({ INPUT_MODE: 'rollback', INPUT_TO: to }).to).toBe(to)
  })

  test('sources in the workspace and in the temporary directory of the runner', () => {
    expect(planOf({ INPUT_SOURCE: '/work space/a' }).sync.source).toBe('/work space/a')
    expect(planOf({ INPUT_SOURCE: '/tmp/r/a', RUNNER_TEMP: '/tmp/r' }).sync.source).toBe('/tmp/r/a')
    for (const source of ['..', '../x', '/', '/etc', '/work spaced']) {
      expect(textOf(refusal({ INPUT_SOURCE: source, RUNNER_TEMP: '/tmp/r' }))).toContain(`"${source}" lies outside`)
    }
  })
})

describe('absent secrets', () => {
  test('are an error of their own', () => {
    expect(() => load(keyless)).toThrow(
      expect.objectContaining({ code: 'HD-ENV-01', what: expect.stringContaining('`ssh-key` is empty') }),
    )
    expect(() => load({ ...keyless, 'INPUT_SSH-KEY': ' \n' })).toThrow(expect.objectContaining({ code: 'HD-ENV-01' }))
  })

  test('with anything else wrong they are one problem of several', () => {
    expect(() => load({ ...keyless, INPUT_KEEP: '0' })).toThrow(
      expect.objectContaining({ code: 'HD-INPUT-01', fix: expect.stringMatching(/keep.*ssh-key/s) }),
    )
  })

  test('may be skipped, and are named then', () => {
    expect(load({ ...keyless, 'INPUT_IF-UNCONFIGURED': 'skip' })).toEqual({ skip: ['ssh-key'], secrets: [] })
    expect(load({ ...keyless, INPUT_HOST: '', 'INPUT_IF-UNCONFIGURED': 'skip' })).toEqual({
      skip: ['host', 'ssh-key'],
      secrets: [],
    })
  })

  test('do not hide a mistake, nor does a missing host alone count as one', () => {
    expect(() => load({ ...keyless, 'INPUT_IF-UNCONFIGURED': 'skip', INPUT_KEEP: 'x' })).toThrow(/2 problems/)
    expect(() => load({ ...enough, INPUT_HOST: '', 'INPUT_IF-UNCONFIGURED': 'skip' })).toThrow(/`host` is missing/)
  })

  describe('in the workflow of the checkout', () => {
    const secret = (name: string) => `\${{ secrets.${name} }}`
    const step = (text: string, uses = 'org/homelab-deploy@v1') =>
      `      - uses: ${uses}\n        with: { ssh-key: '${secret('NAS_KEY')}', env-file: "${text}" }\n`
    const workflow = (...steps: string[]) => ({
      '.github/workflows/deploy.yml': `jobs:\n  deploy:\n    steps:\n${steps.join('')}`,
    })
    const run = {
      GITHUB_WORKFLOW_REF: 'acme/shop/.github/workflows/deploy.yml@refs/heads/main',
      GITHUB_ACTION_REPOSITORY: 'org/homelab-deploy',
      GITHUB_JOB: 'deploy',
    }
    const said = (env: Record<string, string>, files: Record<string, string>) => {
      try {
        return Object.keys(load(env, files)).join()
      } catch (error) {
        return String((error as Error).message) + (error as { fix?: string }).fix
      }
    }

    test('are named, and those that nobody could miss are missed', () => {
      const dotenv = workflow(step(secret('DOTENV')))
      expect(said({ ...keyless, ...run, 'INPUT_ENV-FILE': 'A=1' }, dotenv)).toMatch(/ssh-key.*`secrets\.NAS_KEY`/s)
      expect(said({ ...enough, ...run }, dotenv)).toMatch(/`env-file` is empty.*`secrets\.DOTENV`/s)
      expect(load({ ...enough, ...run, 'INPUT_IF-UNCONFIGURED': 'skip' }, dotenv)).toMatchObject({ skip: ['env-file'] })
    })

    test.each([
      ['text besides', workflow(step(`A=${secret('DOTENV')}`))],
      ['another action', workflow(step(secret('DOTENV'), 'acme/other@v1'))],
      ['two steps that differ', workflow(step(secret('ONE')), step(secret('TWO')))],
      ['no workflow', {}],
      ['no YAML', { '.github/workflows/deploy.yml': 'jobs: {' }],
    ])('say nothing for sure with %s', (_, files) => {
      expect(said({ ...enough, ...run }, files as Record<string, string>)).toBe('plan,secrets')
    })
  })

  test('an env file with a place and no text', () => {
    expect(refusal({ 'INPUT_ENV-PATH': 'prod.env' })).toMatchObject({
      code: 'HD-ENV-01',
      what: expect.stringContaining('`env-file` is empty'),
    })
  })
})

describe('what has to be masked', () => {
  test('comes with the plan', () => {
    const loaded = load({ ...enough, 'INPUT_ENV-FILE': 'TOKEN=hunter33' })
    expect(loaded.secrets).toContain('hunter33')
  })

  test('is not in an error, even where somebody wrote it into another input', () => {
    const error = refusal({
      'INPUT_ENV-FILE': 'TOKEN=hunter33\nbroken hunter44',
      'INPUT_SSH-KEY-PASSPHRASE': 'hunter55',
      INPUT_KEEP: 'hunter33',
      INPUT_HOST: `x hunter55 ${'y'.repeat(200)}`,
      INPUT_SUDO: `${'x'.repeat(95)}hunter33`,
      'INPUT_SECRET-FILES': 'hunter66',
    })
    expect(textOf(error)).not.toMatch(/hunter/)
    expect(error.what).toBe('5 problems with the inputs; nothing was touched.')
  })
})
