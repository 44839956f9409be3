import { describe, expect, test } from 'vitest'
import { eventually, expectSettled, liveTree } from '../helpers/story.ts'
import { example } from './examples.ts'
import { runnerNames } from './programs.ts'
import { Site } from './site.ts'
import type { WorkflowResult } from './workflow.ts'

const ours = 'org/homelab-deploy@v1'

/** The quick start of the README for this host and its service, and no time to lose. */
const quickStart = ({ host, service }: Site, more = '') => ({
  '.github/workflows/deploy.yml': example('README.md', 'strategy: script\n          activate:', {
    'deploy@nas.example.org': host.target,
    '127.0.0.1:8080': service,
    'docker compose up --detach --build --wait': '~/start',
    'path: /srv/shop': `path: ~/app\n          health-stable: 1s\n          health-timeout: 4s${more}`,
  }),
})

describe.each(runnerNames)('the quick start of the README under %s', (runner) => {
  // Where the runner leaves the file of the summary alone, the log is where it can be read.
  const summaryOf = (run: WorkflowResult) => (runner === 'act' ? run.summary : run.log)

  test('a push serves the new version; one that is not healthy is red, and the old one serves again', async () => {
    await using site = await Site.open(runner)
    const good = await site.push({ ...quickStart(site), 'index.html': 'one\n' })
    expect(good.log).not.toContain('Failure')
    expect(good.code).toBe(0)
    expect(good.outputs()).toMatchObject({ result: 'deployed', changed: 'true' })
    expect(summaryOf(good)).toContain('### ✅ shop')
    expect(good.steps.filter((step) => step.includes(ours))).toEqual([`Main ${ours}: success`, `Post ${ours}: success`])
    expect(site.served).toBe('one')

    const bad = await site.push({ 'index.html': 'broken\n' })
    expect(bad.code).toBe(1)
    expect(bad.outputs()).toMatchObject({ result: 'rolled-back', release: good.outputs()['release'], changed: 'false' })
    expect(bad.errors).toEqual([expect.stringContaining('HD-HEALTH-')])
    expect(summaryOf(bad)).toContain('### ↩️ shop')
    expect(bad.steps.filter((step) => step.includes(ours))).toEqual([`Main ${ours}: failure`, `Post ${ours}: success`])
    expect(site.served).toBe('one')
    expect(await liveTree(site.host)).toMatchObject({ 'index.html': 'one\n' })
    await expectSettled(site.host)
  })

  test('what the host prints of a secret is not seen in the log', async () => {
    await using site = await Site.open(runner)
    site.secrets['DOTENV'] = 'TOKEN=correct-horse\nPIN="4711 0815"\n'
    const more = `\n          env-file: \${{ secrets.DOTENV }}`
    const run = await site.push({ ...quickStart(site, more), 'index.html': 'one\n' })
    expect(run.code, run.log).toBe(0)
    expect(run.log).toContain('Container shop starting: one')
    expect(run.log).toContain('TOKEN=***')
    const secrets = ['correct-horse', '4711 0815', ...site.host.clientKey.private.split('\n').slice(1, -2)]
    expect(secrets.filter((secret) => `${run.log}\n${run.summary}`.includes(secret))).toEqual([])
  })

  test('a run that is cancelled in the middle leaves the old version, settled by post', async () => {
    await using site = await Site.open(runner)
    expect(await site.push({ ...quickStart(site), 'index.html': 'one\n' })).toMatchObject({ code: 0 })
    await site.commit({ 'index.html': 'endless\n' })
    const run = site.start('push')
    await run.line('Container shop starting: endless')
    await run.cancel()
    const cancelled = await run.finished
    expect(cancelled.code).not.toBe(0)
    // These runners give main no time at all, so it says no last word: post does.
    expect(cancelled.outputs()).not.toHaveProperty('result')
    expect(cancelled.steps).toContain(`Post ${ours}: success`)
    await eventually(() => expect(site.served).toBe('one'))
    expect(await liveTree(site.host)).toMatchObject({ 'index.html': 'one\n' })
    await expectSettled(site.host)
  })
})
