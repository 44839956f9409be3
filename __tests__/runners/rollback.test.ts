import { describe, expect, test } from 'vitest'
import { expectSettled, ledger } from '../helpers/story.ts'
import { example } from './examples.ts'
import { runnerNames } from './programs.ts'
import { Site } from './site.ts'

describe.each(runnerNames)('going back by hand under %s', (runner) => {
  test('one workflow deploys on a push, and goes back when somebody asks', async () => {
    await using site = await Site.open(runner)
    const workflow = example('docs/rollback.md', 'name: Deploy\n', {
      'deploy@nas.example.org': site.host.target,
      '/srv/shop': '~/app',
      'docker compose up --detach --build --wait': '~/start',
    })
    const first = await site.push({ '.github/workflows/deploy.yml': workflow, 'index.html': 'one\n' })
    const second = await site.push({ 'index.html': 'two\n' })
    expect([first.code, second.code, site.served], `${first.log}\n${second.log}`).toEqual([0, 0, 'two'])

    const back = await site.dispatch({ mode: 'rollback' })
    expect(back.code, back.log).toBe(0)
    expect(back.outputs()).toMatchObject({
      result: 'deployed',
      release: first.outputs()['release'],
      'previous-release': second.outputs()['release'],
    })
    expect(site.served).toBe('one')

    const unknown = await site.dispatch({ mode: 'rollback', to: '4f3c2a1' })
    expect(unknown.code).toBe(1)
    expect(unknown.errors).toEqual([expect.stringContaining('HD-ROLL-02')])
    expect(site.served).toBe('one')
    expect((await ledger(site.host)).map(({ mode }) => mode)).toEqual(['deploy', 'deploy', 'rollback'])
    await expectSettled(site.host)
  })

  test('a workflow without a checkout goes to any commit that the host still has', async () => {
    await using site = await Site.open(runner)
    const { target } = site.host
    await site.commit({
      '.github/workflows/deploy.yml': example('README.md', 'strategy: script\n          activate:', {
        'deploy@nas.example.org': target,
        '/srv/shop': '~/app',
        'docker compose up --detach --build --wait': '~/start',
        '          health: http://127.0.0.1:8080/health\n': '',
      }),
      '.github/workflows/rollback.yml': example('README.md', 'mode: rollback', { 'deploy@nas.example.org': target }),
    })
    const commits: string[] = []
    for (const page of ['one', 'two', 'three']) {
      commits.push(await site.commit({ 'index.html': `${page}\n` }))
      const run = await site.start('push').finished
      expect([run.code, site.served], run.log).toEqual([0, page])
    }
    const [first = ''] = commits
    const back = await site.dispatch({ to: first.slice(0, 7) })
    expect(back.code, back.log).toBe(0)
    expect(back.outputs()).toMatchObject({ result: 'deployed', revision: first })
    expect(site.served).toBe('one')
  })
})
