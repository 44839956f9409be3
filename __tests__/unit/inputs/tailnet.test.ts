import { describe, expect, test } from 'vitest'
import { Secret } from '../../../src/secret.ts'
import { enough, load, planOf, refusal, textOf } from './helpers.ts'

const tailnet = (inputs: Record<string, string>, env: Record<string, string> = {}) => ({
  ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
  ...env,
})
const oidc = { ACTIONS_ID_TOKEN_REQUEST_URL: 'https://token.example/' }
const planned = (inputs: Record<string, string>, env = {}) => planOf(tailnet(inputs, env)).tailnet

describe('the way to join', () => {
  test('is a key, an OAuth client or the identity of the job', () => {
    expect(planned({}).credentials).toBeUndefined()
    const key = planned({ 'tailnet-authkey': 'tskey-auth-x' }).credentials
    expect(key).toEqual({ way: 'key', key: expect.any(Secret) })
    const client = planned({ 'tailnet-client-id': 'id', 'tailnet-client-secret': 'tskey-client-x' }).credentials
    expect(client).toEqual({ way: 'oauth', clientId: 'id', secret: expect.any(Secret) })
    const identity = { way: 'oidc', clientId: 'id', audience: 'api.tailscale.com/id' }
    expect(planned({ 'tailnet-client-id': 'id' }, oidc).credentials).toEqual(identity)
    expect(planned({ 'tailnet-client-id': 'id', 'tailnet-audience': 'mine' }, oidc).credentials).toEqual({
      ...identity,
      audience: 'mine',
    })
  })

  test.each([
    [
      { 'tailnet-authkey': 'k', 'tailnet-client-id': 'i' },
      {},
      /`tailnet-authkey` is given, and so is `tailnet-client-id`/,
    ],
    [{ 'tailnet-authkey': 'k', 'tailnet-audience': 'a' }, oidc, /and so is `tailnet-audience`/],
    [
      { 'tailnet-client-id': 'i', 'tailnet-client-secret': 's', 'tailnet-audience': 'a' },
      oidc,
      /`tailnet-client-secret` is given, and so is `tailnet-audience`/,
    ],
    [{ 'tailnet-client-secret': 's' }, {}, /`tailnet-client-id` is empty/],
    [{ 'tailnet-audience': 'a' }, oidc, /`tailnet-client-id` is empty/],
    [{ 'tailnet-client-id': 'i' }, {}, /`tailnet-client-secret` is empty.*permissions: id-token: write/s],
    [{ 'tailnet-client-id': 'i' }, { FORGEJO_ACTIONS: 'true' }, /give the workflow `enable-openid-connect: true`/],
    [{ 'tailnet-client-id': 'i' }, { GITEA_ACTIONS: 'true' }, /Gitea has no OIDC for jobs/],
    [{ tailnet: 'join' }, {}, /`tailnet-authkey` is empty/],
    [{ 'tailnet-authkey': 'tskey-client-abc' }, {}, /the secret of an OAuth client/],
    [{ 'tailnet-authkey': 'tskey-api-abc' }, {}, /an API access token/],
    [{ 'tailnet-authkey': 'k', tailnet: 'off' }, {}, /has no effect with `tailnet: off`/],
    [{ 'tailnet-client-id': 'i', tailnet: 'existing' }, oidc, /has no effect with `tailnet: existing`/],
    [{ 'tailnet-authkey': 'k', 'tailnet-tags': 'tag:x' }, {}, /`tailnet-tags` has no effect with an auth key/],
    [{ 'tailnet-authkey': 'k', 'tailnet-api-url': 'https://a.example' }, {}, /`tailnet-api-url` has no effect/],
    [{ 'tailnet-client-id': 'i', 'tailnet-login-server': 'https://h.example' }, oidc, /`tailnet-api-url` is missing/],
    [
      { 'tailnet-authkey': 'k', 'tailnet-binary': 'bin', 'tailnet-version': '1.102.4' },
      {},
      /`tailnet-version` has no effect/,
    ],
    [
      { 'tailnet-authkey': 'k', 'tailnet-binary': 'b', 'tailnet-mirror': 'https://m.example' },
      {},
      /`tailnet-mirror` has no/,
    ],
    [{ 'tailnet-client-id': 'i', 'tailnet-tags': 'ci' }, oidc, /is no tag.*`tag:ci`/s],
    [{ 'tailnet-authkey': 'k', 'tailnet-version': '1.x' }, {}, /is no version/],
    [{ 'tailnet-authkey': 'k', 'tailnet-version': '1.80.0' }, {}, /is too old/],
    [{ 'tailnet-authkey': 'k', 'tailnet-hostname': 'my_runner' }, {}, /is no name for a machine/],
    [{ tailnet: 'off', 'host-key': 'tailnet' }, {}, /`host-key` is `tailnet`, with `tailnet: off`/],
  ])('%j %j is refused', (inputs, env, words) => {
    expect(textOf(refusal(tailnet(inputs as Record<string, string>, env)))).toMatch(words)
  })

  test('that lacks only its secret can be skipped', () => {
    const env = tailnet({ 'tailnet-client-id': 'id', 'if-unconfigured': 'skip' })
    expect(load({ ...enough, ...env })).toMatchObject({ skip: ['tailnet-client-secret'] })
  })
})

test('no SSH key is needed where a tailnet may let us in', () => {
  const noKey = { 'INPUT_SSH-KEY': '' }
  expect(textOf(refusal(noKey))).toMatch(/`ssh-key` is empty/)
  expect(textOf(refusal({ ...noKey, ...tailnet({ tailnet: 'off' }) }))).toMatch(/`ssh-key` is empty/)
  for (const inputs of [{ 'tailnet-authkey': 'k' }, { tailnet: 'existing' }])
    expect(planOf({ ...noKey, ...tailnet(inputs) }).targets[0]).not.toHaveProperty('key')
  expect(planOf({ ...noKey, ...tailnet({ 'tailnet-client-id': 'i' }, oidc) }).targets).toHaveLength(1)
})

test('what is not given has a good value', () => {
  const { mode, tags, hostname, binary, apiUrl, description, hostSocket } = planned(
    { 'tailnet-client-id': 'id' },
    { ...oidc, GITHUB_RUN_ID: '4242', RUNNER_TOOL_CACHE: '/tools', GITHUB_REPOSITORY: 'acme/the_shop' },
  )
  expect({ mode, tags, apiUrl }).toEqual({ mode: 'auto', tags: ['tag:ci'], apiUrl: 'https://api.tailscale.com' })
  expect(hostname).toMatch(/^gha-4242-\d{4}$/)
  expect(binary).toEqual({ version: '1.102.4', mirror: 'https://pkgs.tailscale.com', cache: '/tools' })
  expect(description).toBe('homelab-deploy run 4242 acme the shop')
  expect(hostSocket).toBe('/var/run/tailscale/tailscaled.sock')
})

test('a folder with the programs is one of the workspace, unless it is absolute', () => {
  const folder = (given: string) => planned({ 'tailnet-authkey': 'k', 'tailnet-binary': given }).binary
  expect(folder('bin')).toEqual({ folder: '/work space/bin' })
  expect(folder('/opt/ts')).toEqual({ folder: '/opt/ts' })
})

test('neither a key nor a secret shows in what is published', () => {
  const plan = planOf(tailnet({ 'tailnet-authkey': 'tskey-auth-hidden' }))
  expect(JSON.stringify([plan.values, plan.tailnet])).not.toContain('hidden')
})
