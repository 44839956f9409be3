import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { toDeployError } from '../../../src/errors.ts'
import type { Context } from '../../../src/pipeline/context.ts'
import { verifyImages } from '../../../src/pipeline/verify.ts'
import { Secret } from '../../../src/secret.ts'
import { noCompose } from '../../../src/strategies/compose/options.ts'
import { type Scratch, scratch } from '../../helpers/scratch.ts'
import { writeTree } from '../../helpers/tree.ts'

/** Stand-ins of gh and cosign, which need the internet: they write down how they were called, and what they could read. */
const tool = `#!/bin/sh
printf '%s\\n' "$(basename "$0")" "$@" >>"$HOME/called"
cat "$DOCKER_CONFIG/config.json" "$GH_CONFIG_DIR/hosts.yml" >>"$HOME/read" 2>/dev/null
env >>"$HOME/env"
case $* in *bad*) echo 'Error: no matching attestations' >&2; exit 1 ;; esac
`
let home: Scratch
const { PATH, HOME } = process.env

beforeEach(async () => {
  home = await scratch('verify')
  await writeTree(home.path, { 'bin/gh': { text: tool, mode: 0o755 }, 'bin/cosign': { text: tool, mode: 0o755 } })
  Object.assign(process.env, { PATH: `${home.path}/bin:${PATH}`, HOME: home.path })
})
afterEach(async () => {
  Object.assign(process.env, { PATH, HOME })
  await home[Symbol.asyncDispose]()
})

const digest = `sha256:${'ab'.repeat(32)}`
const verify = async (by: 'attestation' | 'cosign', ...names: string[]) => {
  const images = names.map((name) => ({ service: name, ref: `ghcr.io/acme/${name}@${digest}` }))
  const context = {
    step: (_: string, work: (step: { note: () => void }) => Promise<void>) => work({ note: () => {} }),
    plan: {
      options: { commands: [], compose: { ...noCompose, images, registry: 'ghcr.io', registryUser: 'me', verify: by } },
      secrets: { 'registry-password': new Secret('hunter22'), 'github-token': new Secret('ghs_token') },
      run: { repository: 'acme.inc/shop', temp: home.path },
    },
  }
  await verifyImages(context as unknown as Context)
}
const read = async (name: string) => readFileSync(`${home.path}/${name}`, 'utf8')

it('asks for attestations by the owner of the repository, with logins from files that go again', async () => {
  await verify('attestation', 'web', 'web')
  expect((await read('called')).trim().split('\n')).toEqual([
    ...['gh', 'attestation', 'verify', `oci://ghcr.io/acme/web@${digest}`, '--owner', 'acme.inc'],
  ])
  expect(await read('read')).toContain(Buffer.from('me:hunter22').toString('base64'))
  expect(await read('read')).toContain('oauth_token: "ghs_token"')
  expect(await read('env')).not.toMatch(/hunter22|ghs_token/)
  expect(readdirSync(home.path).filter((name) => name.startsWith('verify-'))).toEqual([])
})

it('asks cosign for a signature of a workflow of the same owner', async () => {
  await verify('cosign', 'web')
  expect(await read('called')).toContain('--certificate-identity-regexp\n^https://github\\.com/acme\\.inc/\n')
})

it('stops at an image that nobody vouches for, and at a tool that is missing', async () => {
  const failed = await verify('attestation', 'web', 'bad').then(() => undefined, toDeployError)
  expect(failed).toMatchObject({ code: 'HD-IMAGE-04', why: 'Error: no matching attestations' })
  process.env.PATH = '/nowhere'
  const missing = await verify('cosign', 'web').then(() => undefined, toDeployError)
  expect(missing).toMatchObject({ code: 'HD-PATH-01', what: 'cosign is missing on the runner.' })
})
