import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { example } from './examples.ts'
import { Site } from './site.ts'

/** A server that takes messages, such as ntfy. */
async function inbox() {
  const messages: string[] = []
  const server = createServer(async (request, response) => {
    messages.push(await text(request))
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { messages, address, [Symbol.dispose]: () => void server.close() }
}

/** What no forge but GitHub has. */
const asked = 'deployment: true\n          github-token: a-token'

test.each([
  ['Gitea', {}],
  ['Forgejo', { FORGEJO_ACTIONS: 'true' }],
])('the workflow for %s deploys, and its last step passes on how it went', async (name, env) => {
  await using site = await Site.open('gitea')
  using ntfy = await inbox()
  await site.commit({
    '.github/workflows/deploy.yml': example('docs/forges.md', 'ntfy.example.org', {
      'deploy@nas.example.org': site.host.target,
      'path: /srv/shop': `path: ~/app\n          health-stable: 1s\n          health-timeout: 4s\n          ${asked}`,
      'docker compose up --detach --build --wait': '~/start',
      '127.0.0.1:8080': site.service,
      'ntfy.example.org': ntfy.address,
    }),
  })
  const first = await site.commit({ 'index.html': 'one\n' })
  const good = await site.start('push', { env }).finished
  expect(good.code, good.log).toBe(0)
  expect(good.log).toContain('### ✅ shop')
  expect(good.log).toMatch(new RegExp(`::warning.*${name} has no Deployments`))

  await site.commit({ 'index.html': 'broken\n' })
  const bad = await site.start('push', { env }).finished
  expect(bad.code).toBe(1)
  expect(bad.log).toContain('### ↩️ shop')
  // No page of another server is linked that nobody knows to exist.
  expect(bad.errors.join('\n')).toMatch(/HD-HEALTH-\d+$/)
  expect(bad.log).not.toContain('errors.md')
  expect(ntfy.messages).toEqual([`shop deployed at ${first}`, `shop rolled-back at ${first}`])
  expect(site.served).toBe('one')
})
