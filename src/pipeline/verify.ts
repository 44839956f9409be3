import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DeployError } from '../errors.ts'
import { runTool } from '../runner/exec.ts'
import type { ComposeOptions } from '../strategies/compose/options.ts'
import type { Context } from './context.ts'
import type { Plan } from './plan.ts'

/** Asks, before any host pulls anything, whether somebody trusted vouches for each image: by its digest, which never moves. */
export async function verifyImages({ plan, step }: Context): Promise<void> {
  const { compose } = plan.options
  if (compose === undefined || compose.verify === '') return
  const refs = [...new Set(compose.images.map(({ ref }) => ref))]
  await step('Verify the images', async ({ note }) => {
    const folder = await mkdtemp(join(plan.run.temp, 'verify-'))
    try {
      const env = await credentials(plan, compose, folder)
      for (const ref of refs) await verify(compose.verify, ref, plan, env)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
    note(`${refs.length} by ${compose.verify}`)
  })
}

/** Both tools read their logins from files: the environment of a child may be seen by others. */
async function credentials(plan: Plan, compose: ComposeOptions, folder: string): Promise<Record<string, string>> {
  const { 'registry-password': password, 'github-token': token } = plan.secrets
  const write = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 })
  if (password !== undefined) {
    const auth = Buffer.from(`${compose.registryUser}:${password.reveal()}`).toString('base64')
    const registry = compose.registry || 'https://index.docker.io/v1/'
    await write('config.json', JSON.stringify({ auths: { [registry]: { auth } } }))
  }
  if (token !== undefined) await write('hosts.yml', `github.com:\n    oauth_token: ${JSON.stringify(token.reveal())}\n`)
  return {
    ...(password !== undefined && { DOCKER_CONFIG: folder }),
    ...(token !== undefined && { GH_CONFIG_DIR: folder }),
  }
}

async function verify(
  by: ComposeOptions['verify'],
  ref: string,
  plan: Plan,
  env: Record<string, string>,
): Promise<void> {
  const [owner = ''] = plan.run.repository.split('/')
  const [tool, ...args] =
    by === 'attestation'
      ? ['gh', 'attestation', 'verify', `oci://${ref}`, '--owner', owner]
      : [
          ...['cosign', 'verify', '--certificate-oidc-issuer', 'https://token.actions.githubusercontent.com'],
          ...['--certificate-identity-regexp', `^https://github\\.com/${owner.replaceAll('.', '\\.')}/`, ref],
        ]
  // By a shell that looks for it: a tool that is missing is another thing than an image that nobody vouches for.
  const found = 'command -v "$0" >/dev/null 2>&1 || exit 127; exec "$0" "$@"'
  const { code, stdout, stderr } = await runTool('/bin/sh', ['-c', found, tool ?? '', ...args], { env })
  if (code === 0) return
  if (code === 127) {
    throw new DeployError('HD-PATH-01', `${tool} is missing on the runner.`, {
      why: `\`verify: ${by}\` needs it.`,
      fix:
        by === 'cosign'
          ? 'Add a step with `sigstore/cosign-installer` before this one.'
          : "Install GitHub's command line tool on the runner; those of GitHub have it.",
    })
  }
  const said = `${stdout}\n${stderr}`.trim()
  throw new DeployError('HD-IMAGE-04', `${ref} could not be verified.`, {
    why: said.split('\n').findLast((line) => line.trim() !== '') ?? '',
    fix:
      by === 'cosign'
        ? `Sign it in a workflow of ${owner}, by its digest: \`cosign sign\`.`
        : `Attest it in a workflow of ${owner} (\`actions/attest-build-provenance\` with \`push-to-registry: true\`), and give \`github-token\`.`,
    detail: said,
  })
}
