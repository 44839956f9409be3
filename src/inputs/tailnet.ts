import { randomInt } from 'node:crypto'
import { join, resolve } from 'node:path'
import type { Run } from '../pipeline/plan.ts'
import { Secret } from '../secret.ts'
import type { Credentials, TailnetOptions } from '../tailnet/options.ts'
import { defaultMirror, defaultVersion } from '../tailnet/package.ts'
import type { Refuse } from './form.ts'
import { type Environment, workspaceOf } from './run.ts'
import type { Values } from './spec.ts'

export function readTag(text: string, refuse: Refuse): string | undefined {
  if (/^tag:[A-Za-z][A-Za-z0-9-]*$/.test(text)) return text
  const fix = /^[A-Za-z][A-Za-z0-9-]*$/.test(text) ? `Write \`tag:${text}\`.` : 'Write it as in the policy: `tag:ci`.'
  return refuse('is no tag', fix, text)
}

/** A label of a DNS name: the control server would make another one out of anything else. */
export function readNodeName(text: string, refuse: Refuse): string | undefined {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(text)) return text.toLowerCase()
  return refuse('is no name for a machine', 'Use up to 63 letters, digits and `-`, with no `-` at either end.', text)
}

export function readVersion(text: string, refuse: Refuse): string | undefined {
  if (text === 'latest') return text
  const version = text.replace(/^v/, '')
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    return refuse('is no version', `Write it as \`${defaultVersion}\`, or \`latest\`.`, text)
  }
  // Before 1.90 `tailscale up` hangs on a bad key, and what this relies on was not tried with it.
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < 1 || (major === 1 && minor < 90)) return refuse('is too old', 'Use 1.90.0 or newer.', text)
  return version
}

/** The one way to authenticate that was given, if any; the rules see to it that there is only one. */
function credentialsOf(values: Values): Credentials | undefined {
  const clientId = values['tailnet-client-id']
  const secret = values['tailnet-client-secret']
  if (values['tailnet-authkey']) return { way: 'key', key: new Secret(values['tailnet-authkey']) }
  if (clientId && secret) return { way: 'oauth', clientId, secret: new Secret(secret) }
  const audience = values['tailnet-audience'] || `api.tailscale.com/${clientId}`
  return clientId ? { way: 'oidc', clientId, audience } : undefined
}

export function tailnetOf(values: Values, run: Run, env: Environment): TailnetOptions {
  const folder = values['tailnet-binary']
  const number = randomInt(1_000, 10_000)
  return {
    mode: values.tailnet,
    credentials: credentialsOf(values),
    tags: values['tailnet-tags'],
    loginServer: values['tailnet-login-server'],
    hostname: values['tailnet-hostname'] || `gha-${run.id || 'local'}-${number}`,
    binary: folder
      ? { folder: resolve(workspaceOf(env), folder) }
      : {
          version: values['tailnet-version'] || defaultVersion,
          mirror: values['tailnet-mirror'] || defaultMirror,
          cache: env.RUNNER_TOOL_CACHE || join(run.temp, 'tools'),
        },
    apiUrl: values['tailnet-api-url'] || 'https://api.tailscale.com',
    // The API allows fifty letters, digits, spaces and hyphens.
    description: `homelab-deploy run ${run.id} ${run.repository}`
      .replace(/[^A-Za-z0-9 -]/g, ' ')
      .slice(0, 50)
      .trim(),
    hostSocket: env.TS_SOCKET || '/var/run/tailscale/tailscaled.sock',
  }
}
