import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import type { Report } from '../../src/report/report.ts'
import { startHost } from '../helpers/embedded-host.ts'
import { chartsOf, readGantt } from '../helpers/mermaid.ts'
import { scratch } from '../helpers/scratch.ts'
import { deploy, expectResult } from '../helpers/story.ts'
import { writeTree } from '../helpers/tree.ts'

const identity = { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b' }

/** A checkout that grows by a commit at a time. */
async function checkout(path: string) {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', path, ...args], { encoding: 'utf8', env: { ...process.env, ...identity } }).trim()
  git('init', '-q')
  return async (subject: string) => {
    await writeTree(path, { 'page.html': `${subject}\n` })
    git('add', '.')
    git('commit', '-q', '-m', subject)
    return git('rev-parse', 'HEAD')
  }
}

describe('the summary', () => {
  it('says what came since the version of before, and how long it usually takes', async () => {
    await using host = await startHost()
    await using folder = await scratch('checkout')
    const commit = await checkout(folder.path)
    const workspace = folder.path
    const first = await commit('Sell apples')
    const one = await deploy(host, { workspace, sha: first })
    expectResult(one, 'deployed')
    expect(one.summary).not.toMatch(/\*\*Took\*\*|commits?<\/summary>/)
    expect(one.summary).toContain(' Sell apples |')

    await commit('Sell pears, `too` | <b>now</b>')
    const third = await commit('Sell plums')
    const two = await deploy(host, { workspace, sha: third })
    expectResult(two, 'deployed')
    const { commits, usual } = two.report as Report
    expect(commits).toEqual({
      commits: [
        { revision: third, subject: 'Sell plums' },
        { revision: expect.any(String), subject: 'Sell pears, `too` | <b>now</b>' },
      ],
      others: '',
    })
    expect(usual).toMatchObject({ runs: 1 })
    expect(two.summary).toContain('<summary>2 commits</summary>')
    expect(two.summary).toContain(`/compare/${first}...${third})`)
    expect(two.summary).toMatch(/\*\*Took\*\* \S+ s; the last deploy took \S+ s/)
    expect(two.summary).not.toContain('<b>')
    expect(two.summary).toContain('https://github.com/acme/shop/actions/workflows/deploy.yml')

    const failed = await deploy(host, { workspace, sha: await commit('Sell nothing'), inputs: { activate: 'false' } })
    expectResult(failed, 'rolled-back')
    expect(failed.summary).toMatch(/\| {2}\| Serves again \| Was tried \|/)
    expect(failed.summary).toContain('✗ Activate')

    const three = await deploy(host, { workspace, sha: await commit('Sell figs') })
    expect((three.report as Report).usual).toMatchObject({ runs: 2 })
    expect(three.summary).toContain('the median of the last 2 deploys is')

    // Mermaid itself reads each of their timelines.
    for (const { summary, report } of [one, two, failed, three]) {
      const bars = await Promise.all(chartsOf(summary).map(readGantt))
      expect(bars.map((each) => each.length)).toEqual([(report as Report).steps.length])
    }
  })
})
