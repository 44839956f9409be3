import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DeployError } from '../../../src/errors.ts'
import { Secret } from '../../../src/secret.ts'
import { ApiSilent, keyFor } from '../../../src/tailnet/credentials.ts'
import type { Credentials, TailnetOptions } from '../../../src/tailnet/options.ts'

interface Asked {
  readonly what: string
  readonly type: string | undefined
  readonly authorization: string | undefined
  readonly body: string
}

let url: string
const asked: Asked[] = []
/** What the server answers, by `METHOD /path`. */
const answers = new Map<string, { status: number; body: string }>()
const server = createServer(async (request, response) => {
  const what = `${request.method} ${request.url}`
  const { 'content-type': type, authorization } = request.headers
  asked.push({ what, type, authorization, body: await text(request) })
  const { status, body } = answers.get(what) ?? { status: 404, body: '{"message":"not found"}' }
  response.writeHead(status).end(body)
})

const masked: string[] = []
const log = { info() {}, warning() {}, output() {}, mask: (value: string) => void masked.push(value) }
const claims = { iss: 'https://token.example', sub: 'repo:acme/shop:environment:prod', aud: 'api.tailscale.com/id' }
const jwt = `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`
const issuer = { log, idToken: async () => jwt }

beforeEach(async () => {
  asked.length = 0
  masked.length = 0
  answers.clear()
  answers.set('POST /api/v2/oauth/token', { status: 200, body: '{"access_token":"the-access-token"}' })
  answers.set('POST /api/v2/oauth/token-exchange', { status: 200, body: '{"access_token":"the-access-token"}' })
  answers.set('POST /api/v2/tailnet/-/keys', { status: 200, body: '{"id":"k7","key":"tskey-auth-minted"}' })
  answers.set('DELETE /api/v2/tailnet/-/keys/k7', { status: 200, body: '{}' })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const oidc: Credentials = { way: 'oidc', clientId: 'id', audience: 'api.tailscale.com/id' }
const oauth: Credentials = { way: 'oauth', clientId: 'id', secret: new Secret('tskey-client-secret') }
const options = (credentials: Credentials): TailnetOptions => ({
  mode: 'join',
  credentials,
  tags: ['tag:ci', 'tag:deploy'],
  loginServer: '',
  hostname: 'gha-1',
  binary: { folder: '/' },
  apiUrl: `${url}/`,
  description: 'homelab-deploy run 1',
  hostSocket: '',
})
const refused = async (credentials: Credentials): Promise<DeployError> =>
  await keyFor(options(credentials), issuer).then(
    () => Promise.reject(new Error('nothing was refused')),
    (error: DeployError) => error,
  )

test('a key that was given is used as it is, and nobody is asked', async () => {
  const key = await keyFor(options({ way: 'key', key: new Secret('tskey-auth-given') }), issuer)
  expect(key.secret.reveal()).toBe('tskey-auth-given')
  expect(asked).toEqual([])
})

test('an identity is exchanged for a key that is good once, for a node that goes by itself', async () => {
  const key = await keyFor(options(oidc), issuer)
  expect(key.secret.reveal()).toBe('tskey-auth-minted')
  expect(asked.map(({ what }) => what)).toEqual(['POST /api/v2/oauth/token-exchange', 'POST /api/v2/tailnet/-/keys'])
  expect(asked[0]?.type).toBe('application/x-www-form-urlencoded')
  expect(Object.fromEntries(new URLSearchParams(asked[0]?.body))).toEqual({ client_id: 'id', jwt })
  expect(asked[1]?.authorization).toBe('Bearer the-access-token')
  const create = { reusable: false, ephemeral: true, preauthorized: true, tags: ['tag:ci', 'tag:deploy'] }
  expect(JSON.parse(asked[1]?.body ?? '')).toEqual({
    capabilities: { devices: { create } },
    expirySeconds: 300,
    description: 'homelab-deploy run 1',
  })
  expect(masked).toEqual(['the-access-token', 'tskey-auth-minted'])
  await key.revoke()
  expect(asked.at(-1)?.what).toBe('DELETE /api/v2/tailnet/-/keys/k7')
})

test('an OAuth client shows its secret in the body, and a fresh key comes each time', async () => {
  await keyFor(options(oauth), issuer)
  await keyFor(options(oauth), issuer)
  expect(Object.fromEntries(new URLSearchParams(asked[0]?.body))).toEqual({
    client_id: 'id',
    client_secret: 'tskey-client-secret',
  })
  expect(asked.filter(({ what }) => what.endsWith('/keys'))).toHaveLength(2)
})

test('a refused identity is told with all that the other side has to expect', async () => {
  answers.set('POST /api/v2/oauth/token-exchange', { status: 403, body: '{"message":"Unauthorized"}' })
  const error = await refused(oidc)
  expect(error.code).toBe('HD-TAILNET-01')
  for (const claim of Object.values(claims)) expect(error.why).toContain(claim)
  expect(error.why).toContain('403 Unauthorized')
  expect(error.fix).toContain(`subject \`${claims.sub}\``)
  expect(`${error.why}${error.fix}${error.detail}`).not.toContain(jwt.split('.')[1])
})

test('refused tags name the tags and the rule', async () => {
  const message = 'requested tags [tag:ci] are invalid or not permitted'
  answers.set('POST /api/v2/tailnet/-/keys', { status: 400, body: JSON.stringify({ message }) })
  const error = await refused(oauth)
  expect(error).toMatchObject({ code: 'HD-TAILNET-01', what: expect.stringContaining('tag:ci, tag:deploy') })
  expect(error.why).toContain(message)
  expect(error.fix).toContain('"tagOwners": {"tag:ci"')
})

test('a job without permission is told which one it lacks', async () => {
  const idToken = () => Promise.reject(new Error('Unable to get ACTIONS_ID_TOKEN_REQUEST_URL env variable'))
  await expect(keyFor(options(oidc), { log, idToken })).rejects.toMatchObject({
    code: 'HD-TAILNET-01',
    fix: expect.stringContaining('id-token: write'),
  })
})

test.each([
  ['a server that is broken', 'POST /api/v2/oauth/token', { status: 502, body: '<html>bad gateway' }],
  ['a server that says nothing of use', 'POST /api/v2/oauth/token', { status: 200, body: 'welcome' }],
  ['no key in the answer', 'POST /api/v2/tailnet/-/keys', { status: 200, body: '{"id":"k1"}' }],
  ['too many requests', 'POST /api/v2/tailnet/-/keys', { status: 429, body: '' }],
])('%s may be asked again', async (_, what, answer) => {
  answers.set(what, answer)
  expect(await refused(oauth)).toBeInstanceOf(ApiSilent)
})
