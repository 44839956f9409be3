import { describe, expect, test } from 'vitest'
import { startHost } from '../helpers/embedded-host.ts'
import { liveTree } from '../helpers/story.ts'
import { example } from './examples.ts'
import { runnerNames } from './programs.ts'
import { Site } from './site.ts'

describe.each(runnerNames)('several targets under %s', (runner) => {
  test('of a matrix each is deployed by a job of its own, and one that fails takes nothing from the other', async () => {
    await using site = await Site.open(runner)
    const kitchen = site.host
    await using garage = await startHost({ authorizedKeys: [kitchen.clientKey.public] })
    await garage.write({ start: { text: '#!/bin/sh\n! grep -q two index.html\n', mode: 0o755 } })
    const page = 'docs/connection.md'
    const workflow = example(page, 'matrix:', {})
    const config = example(page, 'targets:\n  kitchen:', {
      'systemctl --user restart sensors': '~/start',
      'pi@kitchen.example.org': kitchen.target,
      'pi@garage.example.org': garage.target,
      'SHA256:Nva3h5lpc/ej6m5w39aeLyV1EzCQncXZjq6P2b46icU': kitchen.hostKey.fingerprint,
      'SHA256:9Fi5N3/vy+uPs0y6JfRCgafnFCwPNAwwFpjtOHfpBUQ': garage.hostKey.fingerprint,
    })
    const files = { '.github/workflows/deploy.yml': workflow, '.github/homelab-deploy.yml': config }
    const good = await site.push({ ...files, 'index.html': 'one\n' })
    expect(good.code, good.log).toBe(0)
    for (const target of ['kitchen', 'garage']) expect(good.outputs(target)).toMatchObject({ result: 'deployed' })

    const half = await site.push({ 'index.html': 'two\n' })
    expect(half.code).toBe(1)
    expect(half.outputs('kitchen'), half.log).toMatchObject({ result: 'deployed' })
    expect(half.outputs('garage')).toMatchObject({ result: 'rolled-back' })
    expect(site.served).toBe('two')
    expect(await liveTree(kitchen, 'sensors')).toMatchObject({ 'index.html': 'two\n' })
    expect(await liveTree(garage, 'sensors')).toMatchObject({ 'index.html': 'one\n' })
  })

  test('a version that fails in staging is not sent to production', async () => {
    await using site = await Site.open(runner)
    const prod = site.host
    await using staging = await startHost({ authorizedKeys: [prod.clientKey.public] })
    await staging.write({ start: { text: '#!/bin/sh\n! grep -q two index.html\n', mode: 0o755 } })
    const config = example('README.md', 'targets:\n  staging:', {
      'docker compose up --detach --build --wait': '~/start',
      '  health: [http://127.0.0.1:8080/health, container:web]\n': '',
      '/srv/shop': '~/app',
      'deploy@staging.example.org': staging.target,
      'deploy@shop.example.org': prod.target,
    })
    const workflow = example('docs/connection.md', 'needs: staging', {})
    Object.assign(site.vars, { STAGING_HOST_KEY: staging.knownHostsLine, PROD_HOST_KEY: prod.knownHostsLine })
    const files = { '.github/workflows/deploy.yml': workflow, '.github/homelab-deploy.yml': config }
    const good = await site.push({ ...files, 'index.html': 'one\n' })
    expect(good.code, good.log).toBe(0)
    expect(site.served).toBe('one')

    const logins = prod.logins.length
    const bad = await site.push({ 'index.html': 'two\n' })
    expect(bad.code).toBe(1)
    expect(bad.outputs(), bad.log).toMatchObject({ result: 'rolled-back' })
    expect([site.served, prod.logins.length]).toEqual(['one', logins])
    expect(await liveTree(staging)).toMatchObject({ 'index.html': 'one\n' })
  })
})
