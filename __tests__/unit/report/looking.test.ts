import { describe, expect, it, test } from 'vitest'
import { planDetails, planFacts, planObstacles } from '../../../src/report/plan-section.ts'
import type { PlanRecord, Report, StatusRecord } from '../../../src/report/report.ts'
import { statusDetails, statusFacts } from '../../../src/report/status-section.ts'
import { renderSummary } from '../../../src/report/summary.ts'
import { verdict } from '../../../src/report/verdict.ts'
import { deployed } from './samples.ts'

/** What a plan and a status show, of hosts and commits that may say anything. */
const hostile = '<img src=x> | `x` ```\n::error::x [a](javascript:x) @all </details>'
const many = (count: number) => Array.from({ length: count }, (_, n) => `${n} ${hostile}`)
const past = {
  at: '2026-01-01T10:00:00Z',
  result: 'deployed',
  mode: 'deploy',
  revision: 'a'.repeat(40),
  durationMs: 9_000,
}

const plan: PlanRecord = {
  host: 'deploy@nas',
  obstacles: [
    { code: 'HD-SUDO-01', what: 'No sudo.', why: 'It asks.', fix: 'Write this:\ndeploy ALL=(root) NOPASSWD: /x' },
  ],
  unchanged: false,
  changes: { added: ['a'], changed: [], removed: [], counts: { added: 300, changed: 0, removed: 0 }, bytesSent: 2_048 },
  edited: [],
  commits: [{ revision: 'b'.repeat(40), subject: 'One' }],
  otherCommits: '7 more',
  does: ['+ httpx 1', '~ x 1 → 2'],
  env: { added: ['NEW'], removed: [] },
  files: [],
  interrupts: ['api is restarted'],
  commands: ['migrate'],
  notes: [],
  past: [
    { ...past, activateMs: 3_000 },
    { ...past, activateMs: 1_000 },
    { ...past, activateMs: 2_000 },
    { ...past, result: 'rolled-back', activateMs: 90_000 },
  ],
}
const status: StatusRecord = {
  host: 'deploy@nas',
  release: {
    id: 'r1',
    revision: 'c'.repeat(40),
    ref: 'refs/heads/main',
    actor: 'octocat',
    run: 'https://x.example/1',
    madeAt: past.at,
    since: past.at,
  },
  running: ['api active'],
  drift: [{ kind: 'file', text: 'a was changed' }],
  standing: [],
  releases: [{ id: 'r0', at: past.at, revision: 'd'.repeat(40) }],
  past: [past],
}
const planned: Report = { ...deployed, mode: 'plan', result: 'planned', plan: [{ ...plan, obstacles: [] }] }
const page = (report: Report) => renderSummary(report)

describe('a plan', () => {
  it('shows each thing in the way with its fix to paste, once', () => {
    const failure = { code: 'HD-SUDO-01', step: '', what: 'No sudo.', why: 'It asks.', fix: 'x', detail: '' }
    const text = page({ ...planned, result: 'failed', changed: false, plan: [plan], failure })
    expect(text).toContain('```sh\ndeploy ALL=(root) NOPASSWD: /x\n```')
    expect(text.split('No sudo.')).toHaveLength(2)
    expect(text).toContain('would be stopped: 1 thing in the way')
    // First of all, and nobody has tried anything.
    expect(text.indexOf('In the way')).toBeLessThan(text.indexOf('| Runs now | Would run |'))
  })

  it('shows what it would do, and how long that took before', () => {
    const text = page(planned)
    for (const part of [
      '2.0 KiB to send',
      'api is restarted',
      'took 2.0 s (median of the last 3)',
      '1 commit and 7 more',
      '! x 1 → 2',
      '… and 299 more',
      '`NEW`',
    ])
      expect(text).toContain(part)
  })
})

describe('a status', () => {
  it.each([
    ['healthy', 'serves: no health check was made. 1 thing differs from what was deployed.'],
    ['unhealthy', 'is not what was deployed. 1 thing differs from what was deployed.'],
  ] as const)('%s, and something differs', (result, words) => {
    expect(verdict({ ...deployed, mode: 'status', result, health: [], status: [status] })).toContain(words)
  })

  it('shows the release, its run and those to go back to', () => {
    const text = page({ ...deployed, mode: 'status', result: 'healthy', status: [status] })
    for (const part of [
      '`main`',
      '[this run](https://x.example/1)',
      '1 difference to what was deployed',
      '1 release to go back to',
      '`r0`',
    ])
      expect(text).toContain(part)
  })
})

it('of several hosts says all of each in one place, and nothing of one that has nothing to say', () => {
  const hosts = ['a@x', 'b@x'].map((host) => ({ ...plan, host }))
  const empty = { ...plan, host: 'c@x', obstacles: [], env: { added: [], removed: [] }, past: [], does: [] }
  const { changes: _, ...nothing } = { ...empty, interrupts: [], commands: [], commits: [], otherCommits: '' }
  const text = page({ ...planned, hosts: ['a@x', 'b@x', 'c@x'], plan: [...hosts, nothing] })
  expect(text.match(/^#### .*/gm)).toEqual([
    ...['#### In the way on `a@x`', '#### In the way on `b@x`', '#### `a@x`', '#### `b@x`'],
  ])
  expect(text).toContain('on 3 hosts')
  const states = page({
    ...deployed,
    mode: 'status',
    result: 'healthy',
    status: [status, { ...status, host: 'b@x', drift: [] }],
  })
  const [, first = '', second = ''] = states.split(/^#### .*/m)
  expect(first).toContain('1 difference to what was deployed')
  expect(second).toContain('none: it is as it was deployed')
  expect(second).not.toContain('**Address**')
})

it('fits into a comment, though there are many hosts with much to tell', () => {
  const hosts = many(9).map((host) => ({ ...plan, host, does: many(300), env: { added: many(90), removed: [] } }))
  const text = renderSummary({ ...planned, plan: hosts }, { maxBytes: 60_000 })
  expect(Buffer.byteLength(text)).toBeLessThan(60_000)
  expect(text).toContain('300 changes besides the files')
})

test('nothing that a host or a commit says gets out of its place, or makes the page large', () => {
  const [{ release }] = [status]
  const plans: Report = {
    ...planned,
    plan: many(40).map((host) => ({
      ...plan,
      host,
      edited: many(300),
      does: many(300),
      interrupts: many(300),
      files: many(300),
      notes: many(90),
      commands: many(90),
      otherCommits: hostile,
      commits: many(20).map((subject) => ({ revision: hostile, subject })),
      env: { added: many(90), removed: [] },
    })),
  }
  const states: Report = {
    ...deployed,
    status: many(40).map((host) => ({
      ...status,
      host,
      running: many(300),
      standing: many(9),
      drift: many(300).map((text) => ({ kind: 'env' as const, text })),
      releases: many(90).map((id) => ({ id, at: id, revision: id })),
      ...(release && { release: { ...release, ref: hostile, actor: hostile, run: hostile, revision: hostile } }),
    })),
  }
  const texts = [
    ...planObstacles(plans, ''),
    ...planFacts(plans, 60),
    ...planDetails(plans, 60),
    ...statusFacts(states, 60),
    ...statusDetails(states, 60),
  ]
  const outside = texts.join('\n').replace(/^(`{3,})\w*\n[\s\S]*?\n\1$/gm, '')
  expect(outside).not.toMatch(/<img|^::|\]\(javascript|@all/m)
  expect(outside.split(/<details(?: open)?>/).length).toBe(outside.split('</details>').length)
  expect(Buffer.byteLength(texts.join('\n'))).toBeLessThan(4_000_000)
})
