import { describe, expect, it } from 'vitest'
import { key, load, refusal, textOf } from './helpers.ts'

/** The smallest sound run of a hive: no host, no path. */
const hive = {
  GITHUB_WORKSPACE: '/work space',
  GITHUB_REPOSITORY: 'acme/cartographer',
  'INPUT_SSH-KEY': key.private,
  INPUT_STRATEGY: 'colmena',
  INPUT_NODES: 'web-1, @prod',
}
const none = { INPUT_HOST: '', INPUT_PATH: '' }
const planOf = (env: Record<string, string> = {}, config?: string) => {
  const loaded = load({ ...hive, ...env }, config === undefined ? {} : { '.github/homelab-deploy.yml': config })
  if (!('plan' in loaded)) throw new Error('skipped')
  return loaded.plan
}
const refused = (env: Record<string, string>, config?: string) => textOf(refusal({ ...none, ...hive, ...env }, config))

describe('a hive', () => {
  it('brings its hosts, and its secret files stay on the runner', () => {
    const plan = planOf({
      'INPUT_COLMENA-ARGS': '--impure --nix-option cores 2',
      'INPUT_SECRET-FILES': '.env.production <- c2VjcmV0',
      INPUT_ACTIVATION: 'native',
    })
    expect(plan.targets).toEqual([])
    expect(plan.files).toEqual([])
    expect(plan.sync.method).toBe('none')
    expect(plan.safety.sudo).toBe('always')
    expect(plan.hive).toMatchObject({
      nodes: ['web-1', '@prod'],
      args: ['--impure', '--nix-option', 'cores', '2'],
      native: true,
      login: { hostKey: { mode: 'strict' }, connectTimeout: 90_000 },
    })
    expect(plan.hive?.files.map(({ path }) => path)).toEqual(['.env.production'])
  })

  it.each([
    ['without nodes', { INPUT_NODES: '' }, /`nodes` is missing/],
    ['with a host', { INPUT_HOST: 'root@nas' }, /`host` is nothing for `strategy: colmena`/],
    ['with code to send', { INPUT_SYNC: 'git' }, /`sync` is nothing/],
    ['with an env file', { 'INPUT_ENV-FILE': 'A=some-secret' }, /`env-file` is nothing/],
    ['with a secret file elsewhere', { 'INPUT_SECRET-FILES': '/etc/x <- c2VjcmV0' }, /`secret-files` names \/etc\/x/],
    ['with a node that is an option', { INPUT_NODES: '--on' }, /"--on" is no node/],
    ['with what the action says itself', { 'INPUT_COLMENA-ARGS': '--impure --reboot' }, /holds `--reboot`/],
    ['with shell', { 'INPUT_COLMENA-ARGS': '-f $HIVE' }, /holds a quote or a `\$`/],
  ])('%s is refused', (_, env, text) => {
    expect(refused(env)).toMatch(text)
  })

  it('is nothing for other strategies', () => {
    expect(textOf(refusal({ INPUT_STRATEGY: 'uv', INPUT_NODES: 'web-1' }))).toMatch(
      /`nodes` is nothing for `strategy: uv`/,
    )
  })

  it('is not needed to go back', () => {
    const plan = planOf({ INPUT_MODE: 'rollback', INPUT_HOST: 'root@nas', INPUT_NODES: '' })
    expect([plan.hive, plan.targets.length]).toEqual([undefined, 1])
  })
})

const config = `
defaults: { name: cartographer, strategy: colmena }
targets:
  staging: { nodes: stage }
  prod: { nodes: web-1, require-release: staging }
  bare: { require-release: nowhere }
`
const configured = { INPUT_NODES: '', INPUT_STRATEGY: '' }

describe('require-release', () => {
  it('is a deploy to that target as its own settings would have it', () => {
    const { requires, hive: own } = planOf({ ...configured, INPUT_TARGET: 'prod' }, config)
    expect(requires?.label).toBe('staging')
    expect(requires?.plan).toMatchObject({ name: 'cartographer', hive: { nodes: ['stage'] } })
    expect(own?.nodes).toEqual(['web-1'])
  })

  it('takes nothing of where the workflow deploys to for the other target', () => {
    const { requires } = planOf({ INPUT_NODES: 'web-2', INPUT_STRATEGY: '', INPUT_TARGET: 'prod' }, config)
    expect(requires?.plan.hive?.nodes).toEqual(['stage'])
  })

  it('may be a node, or a host', () => {
    expect(planOf({ 'INPUT_REQUIRE-RELEASE': 'stage' }).requires?.plan.hive?.nodes).toEqual(['stage'])
    const { requires } = planOf({ 'INPUT_REQUIRE-RELEASE': 'root@stage.example.org' })
    expect(requires?.plan.targets.map(({ address }) => address.host)).toEqual(['stage.example.org'])
    expect(requires?.plan.hive).toBeUndefined()
  })

  it.each([
    ['itself', { ...configured, INPUT_TARGET: 'staging', 'INPUT_REQUIRE-RELEASE': 'staging' }, /is the target itself/],
    [
      'nobody',
      { INPUT_STRATEGY: 'uv', INPUT_NODES: '', INPUT_HOST: 'nas', 'INPUT_REQUIRE-RELEASE': 'stagin' },
      /Did you mean `staging`/,
    ],
    ['a target that is nowhere', { INPUT_NODES: 'a', 'INPUT_REQUIRE-RELEASE': 'bare' }, /names a target without hosts/],
  ])('of %s is refused', (_, env, text) => {
    expect(refused({ INPUT_PATH: '/srv/x', ...env }, config)).toMatch(text)
  })
})
