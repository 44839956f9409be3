import { DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Answer, request } from '../runner/http.ts'
import { Secret } from '../secret.ts'
import type { TailnetOptions } from './options.ts'

/** A key for one attempt to join. */
export interface JoinKey {
  readonly secret: Secret
  /** For people: what kind of key it is. */
  readonly kind: string
  /** Takes back a key that was made and not used. */
  revoke(): Promise<void>
}

export interface Issuer {
  readonly log: Log
  readonly signal?: AbortSignal | undefined
  /** The token by which GitHub says who this job is. */
  readonly idToken: (audience: string) => Promise<string>
}

/** The key that was given, or one made for this attempt: good once, for five minutes, for a node that goes by itself. */
export async function keyFor(options: TailnetOptions, issuer: Issuer): Promise<JoinKey> {
  const { credentials } = options
  if (credentials === undefined) throw new TypeError('no credentials for the tailnet')
  if (credentials.way === 'key') return { secret: credentials.key, kind: 'the auth key', revoke: async () => {} }
  const asked = { client_id: credentials.clientId }
  if (credentials.way === 'oauth') {
    const form = { ...asked, client_secret: credentials.secret.reveal() }
    const token = await exchange(options, issuer, 'oauth/token', form, () => refusedClient(options))
    return await mint(options, issuer, token)
  }
  const jwt = await issuer.idToken(credentials.audience).catch((cause) => Promise.reject(noIdToken(cause)))
  const form = { ...asked, jwt }
  const token = await exchange(options, issuer, 'oauth/token-exchange', form, () => refusedIdentity(options, jwt))
  return await mint(options, issuer, token)
}

/** Gives the access token. */
async function exchange(
  options: TailnetOptions,
  issuer: Issuer,
  path: string,
  form: Record<string, string>,
  refusal: () => DeployError,
): Promise<string> {
  const body = new URLSearchParams(form).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const { status, body: answer } = await ask(options, issuer, 'POST', path, { body, headers })
  if (status >= 400 && status < 500 && status !== 429) throw withAnswer(refusal(), status, answer)
  const token = status === 200 ? textField(answer, 'access_token') : ''
  if (token === '') throw noAnswer(options, path, `${status} ${messageOf(answer)}`)
  issuer.log.mask(token)
  return token
}

async function mint(options: TailnetOptions, issuer: Issuer, token: string): Promise<JoinKey> {
  const create = { reusable: false, ephemeral: true, preauthorized: true, tags: options.tags }
  const body = JSON.stringify({
    capabilities: { devices: { create } },
    expirySeconds: 300,
    description: options.description,
  })
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const { status, body: answer } = await ask(options, issuer, 'POST', 'tailnet/-/keys', { body, headers })
  if (status >= 400 && status < 500 && status !== 429) throw withAnswer(refusedTags(options), status, answer)
  const [key, id] = [textField(answer, 'key'), textField(answer, 'id')]
  if (status !== 200 || key === '') throw noAnswer(options, 'tailnet/-/keys', `${status} ${messageOf(answer)}`)
  issuer.log.mask(key)
  return {
    secret: new Secret(key),
    kind: `a one-off key for ${options.tags.join(', ')}`,
    revoke: async () => {
      if (id === '') return
      await ask(options, { ...issuer, signal: undefined }, 'DELETE', `tailnet/-/keys/${encodeURIComponent(id)}`, {
        headers,
      }).catch(() => {})
    },
  }
}

async function ask(
  { apiUrl }: TailnetOptions,
  { signal }: Issuer,
  method: 'POST' | 'DELETE',
  path: string,
  options: { body?: string; headers: Record<string, string> },
): Promise<Answer> {
  const url = `${apiUrl.replace(/\/+$/, '')}/api/v2/${path}`
  try {
    return await request(method, url, { ...options, timeoutMs: 15_000, signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw noAnswer({ apiUrl }, path, error instanceof Error ? error.message : String(error))
  }
}

/** The one kind of failure here that another try may cure. */
export class ApiSilent extends DeployError {}

function noAnswer({ apiUrl }: Pick<TailnetOptions, 'apiUrl'>, path: string, said: string): ApiSilent {
  return new ApiSilent('HD-TAILNET-01', `${apiUrl} gave no key to join the tailnet with.`, {
    why: `${path}: ${said.trim()}.`,
    fix: 'Check `tailnet-api-url`, and the way out of the runner (HTTPS_PROXY is used).',
  })
}

function refusedClient({ apiUrl }: TailnetOptions): DeployError {
  return new DeployError('HD-TAILNET-01', 'The OAuth client was refused.', {
    why: `${apiUrl} does not know \`tailnet-client-id\` with this \`tailnet-client-secret\`.`,
    fix: 'Create an OAuth client with the scope `auth_keys` (write), and store its id and secret anew.',
  })
}

/** What the token says of this job, and what the other side must be told to expect: neither is a secret. */
function refusedIdentity(options: TailnetOptions, jwt: string): DeployError {
  const { sub = '?', aud = '?', iss = '?' } = claimsOf(jwt)
  return new DeployError('HD-TAILNET-01', 'The identity of this job was refused.', {
    why: `The token says\n  issuer   ${iss}\n  subject  ${sub}\n  audience ${aud}\nand no federated identity with the id of \`tailnet-client-id\` expects that.`,
    fix: `In the admin console, Settings, Trust credentials: an OpenID Connect credential with issuer ${iss}, subject \`${sub}\` (\`*\` stands for anything), audience \`${aud}\`, scope \`auth_keys\` (write), and the tags ${options.tags.join(', ')}.`,
  })
}

function refusedTags({ tags }: TailnetOptions): DeployError {
  const [first = 'tag:ci'] = tags
  return new DeployError('HD-TAILNET-01', `No key was given for a node with ${tags.join(', ')}.`, {
    why: 'The credential lacks the scope `auth_keys` (write), or it may not give these tags.',
    fix: `Give the credential exactly the tags of \`tailnet-tags\`, and let the policy know them: "tagOwners": {"${first}": ["autogroup:admin"]}.`,
  })
}

function noIdToken(cause: unknown): DeployError {
  return new DeployError('HD-TAILNET-01', 'GitHub gave this job no OIDC token.', {
    why: cause instanceof Error ? `${cause.message}` : '',
    fix: 'Give the job `permissions: id-token: write`. Pull requests from forks never get one.',
    cause,
  })
}

function withAnswer(error: DeployError, status: number, answer: Buffer): DeployError {
  const { code, what, why, fix } = error
  return new DeployError(code, what, { why: `${why} The answer: ${status} ${messageOf(answer)}.`, fix })
}

function claimsOf(jwt: string): Record<string, string> {
  try {
    const claims = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
    return Object.fromEntries(Object.entries(claims).map(([name, value]) => [name, String(value)]))
  } catch {
    return {}
  }
}

function textField(answer: Buffer, name: string): string {
  try {
    const value = (JSON.parse(answer.toString()) as Record<string, unknown>)[name]
    return typeof value === 'string' ? value : ''
  } catch {
    return ''
  }
}

/** What a server says about a failure, on one line. */
function messageOf(answer: Buffer): string {
  const text = textField(answer, 'message') || answer.toString()
  return text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, 300)
}
