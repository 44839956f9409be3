import { afterAll, beforeAll, expect, test } from 'vitest'
import { domain, Headscale } from './headscale.ts'
import { Service } from './service.ts'
import { tailnetApi } from './tailnet-api.ts'

let headscale: Headscale
let api: Awaited<ReturnType<typeof tailnetApi>>
beforeAll(async () => {
  headscale = await Headscale.start()
  api = await tailnetApi(headscale)
})
afterAll(async () => {
  await api?.[Symbol.asyncDispose]()
  await headscale?.[Symbol.asyncDispose]()
})

/** What every run here needs: our control server, and programs without a download. */
const inTailnet = (inputs: Record<string, string>) => ({
  'tailnet-login-server': headscale.url,
  'tailnet-binary': headscale.programs,
  ...inputs,
})
const trust = () => ({ SSL_CERT_FILE: headscale.authority })

test('by an auth key, through sshd with a key, and leaves nothing', async () => {
  await using host = await headscale.host({ name: 'nas' })
  const app = new Service(host)
  await app.install()
  const key = await headscale.key('tag:ci')
  const run = await app.deploy({
    version: 'v1',
    inputs: inTailnet({ host: `deploy@nas.${domain}`, 'host-key': 'tailnet', 'tailnet-authkey': key }),
    options: { env: trust(), watchArgv: true },
  })
  console.log(run.maskedLog)
  expect(run.outputs.result).toBe('deployed')
  await app.expectVersion('v1')
  expect(await headscale.runners()).toEqual([])
})
