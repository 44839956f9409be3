import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { drawGantt } from '../../../scripts/page/chart.ts'
import { toHtml } from '../../../scripts/page/markdown.ts'
import { annotationOf } from '../../../src/report/annotation.ts'
import { outputsOf } from '../../../src/report/outputs.ts'
import { type Report, results } from '../../../src/report/report.ts'
import { renderSummary } from '../../../src/report/summary.ts'
import { timeline } from '../../../src/report/timeline.ts'
import { verdict } from '../../../src/report/verdict.ts'
import { chartsOf, readGantt } from '../../helpers/mermaid.ts'
import { deployed, drifted, planned, rollbackFailed, rolledBack } from './samples.ts'

const docsBase = 'https://github.com/org/homelab-deploy/blob/v1'

/** Takes out what nobody can break out of, so that the rest can be looked at: fences and code spans. */
function outsideCode(page: string): string {
  let open = ''
  const lines = page.split('\n').filter((each) => {
    const mark = /^(`{3,})(\w*)$/.exec(each)
    if (open === '' && mark) {
      open = mark[1] ?? ''
      return false
    }
    if (open !== '' && mark?.[2] === '' && (mark[1] ?? '').length >= open.length) {
      open = ''
      return false
    }
    return open === ''
  })
  expect(open).toBe('')
  return lines.join('\n').replace(/`[^`\n]*`/g, '')
}

/** Every row has the cells of its head: nothing made one more, or ended a table. */
function expectTables(page: string): void {
  const tables = page.split('\n\n').filter((block) => block.startsWith('| '))
  for (const rows of tables.map((block) => block.split('\n')))
    expect(rows.map((row) => row.split('|').length)).toEqual(rows.map(() => rows[0]?.split('|').length))
}

/** What a reader's browser would be given: elements of ours alone, closed, without attributes but those of links. */
function expectHarmless(html: string): void {
  const drawn = html.replace(/<div class="chart">.*?<\/div>/gs, '')
  const tags = drawn.match(/<[^>]*>/g) ?? []
  const plainTags =
    /^<\/?(?:h3|h4|p|ul|li|strong|em|code|pre|table|thead|tbody|tr|th|td|details|summary|div|span|br)(?: class="[\w -]+"| open)?>$/
  expect(tags.filter((tag) => !plainTags.test(tag) && !/^<\/a>$|^<a href="https?:[^"]*">$/.test(tag))).toEqual([])
  const count = (pattern: RegExp) => drawn.match(pattern)?.length ?? 0
  for (const name of ['details', 'summary', 'table', 'tr', 'td', 'pre', 'ul', 'li', 'div', 'a', 'code', 'span'])
    expect([name, count(new RegExp(`<${name}[ >]`, 'g'))]).toEqual([name, count(new RegExp(`</${name}>`, 'g'))])
  expect(drawn).not.toContain('<em>')
  expect(drawn.match(/class="alert/g)).toHaveLength(1)
}

/** Puts a text wherever text of others can stand. */
function hostile(text: string): Report {
  const failure = {
    code: 'HD-STEP-01',
    step: text,
    what: text,
    why: `${text}\n${text}`,
    fix: `Run:\n${text}`,
    detail: text,
  }
  return {
    ...rollbackFailed,
    name: text,
    environment: text,
    url: text,
    hosts: [text, text],
    system: text,
    path: text,
    strategy: text,
    before: { id: text, revision: text, subject: text },
    after: { id: `${text}2`, revision: `${text}2`, subject: text },
    changes: {
      added: [text],
      changed: [text],
      removed: [text],
      counts: { added: 1, changed: 1, removed: 30 },
      bytesSent: 1,
    },
    steps: [text, text].map((name) => ({ name, startedMs: 0, durationMs: 5, result: 'ok' as const, note: text })),
    health: [{ check: text, healthy: false, seen: text, latencyMs: 1 }],
    healthAfter: [{ check: `${text}2`, healthy: true, seen: text, latencyMs: 1 }],
    failure,
    rollbackFailure: { ...failure, fix: text },
    commits: { commits: [{ revision: text, subject: text }], others: text },
    network: text,
    warnings: [text],
    notes: [{ title: text, text }],
    run: { repository: text, sha: text, ref: text, actor: text, workflow: text, url: text },
  }
}

/** What a plan and a status add: text of others all of it, but for what they count. */
function looked(text: string): Pick<Report, 'plan' | 'status'> {
  const spoil = <T>(value: T): T =>
    JSON.parse(JSON.stringify(value, (_, each) => (typeof each === 'string' ? text : each)))
  return spoil({ ...(planned.plan && { plan: planned.plan }), ...(drifted.status && { status: drifted.status }) })
}

describe('the summary', () => {
  it('of a good deploy', async () => {
    await expect(renderSummary(deployed, { docsBase })).toMatchFileSnapshot('snapshots/deployed.md')
  })

  it('of a deploy that was rolled back', async () => {
    await expect(renderSummary(rolledBack, { docsBase })).toMatchFileSnapshot('snapshots/rolled-back.md')
  })

  it('of a rollback that failed', async () => {
    await expect(renderSummary(rollbackFailed, { docsBase })).toMatchFileSnapshot('snapshots/rollback-failed.md')
  })

  it('links nothing where it knows no address', () => {
    const page = renderSummary({ ...rolledBack, run: { ...rolledBack.run, url: '' }, url: '' })
    expect(page).not.toContain('](')
    expect(page).toContain('Error code `HD-HEALTH-01`')
  })

  it('stands with next to nothing', () => {
    const { before: _b, after: _a, changes: _c, ...rest } = deployed
    const bare = {
      ...rest,
      name: '',
      environment: '',
      url: '',
      hosts: [],
      system: '',
      path: '',
      steps: [],
      health: [],
      warnings: [],
      notes: [],
    }
    expect(renderSummary({ ...bare, result: 'failed', changed: false })).toMatch(
      /^### ❌ homelab-deploy\n\n> \[!WARNING\]\n> The deploy failed/,
    )
  })

  it('offers the way back only where there is one', () => {
    expect(renderSummary(deployed)).toContain(
      'gh workflow run deploy.yml --repo me/shop -f mode=rollback -f to=20260101-120000-a1b2c3d',
    )
    expect(renderSummary(rolledBack)).not.toContain('mode=rollback')
    expect(renderSummary({ ...deployed, before: { id: '', revision: 'x' } })).not.toContain('mode=rollback')
    const { workflowFile: _, ...run } = deployed.run
    expect(renderSummary({ ...deployed, run: { ...run, workflow: "a' b" } })).toContain(
      String.raw`gh workflow run 'a'\'' b'`,
    )
  })

  test.each([
    ['many lines', `${'line\n'.repeat(400_000)}the end`],
    ['wide lines', `${`${'漢'.repeat(5_000)}\n`.repeat(300)}the end`],
    ['one line', `${'`'.repeat(3_000_000)}\nthe end`],
    ['what is not to be seen', `${'\u0000\u202e'.repeat(500_000)}\nthe end`],
    ['colours', `${'\u001b[31mred\u001b[0m'.repeat(100_000)}\nthe end`],
  ])('stays small and keeps the end of a log of %s', (_, text) => {
    const page = renderSummary({ ...hostile(text), result: 'failed' }, { docsBase })
    expect(Buffer.byteLength(page)).toBeLessThan(900 * 1_024)
    expect(page).toContain('the end')
    outsideCode(page)
    expect(Buffer.byteLength(renderSummary(hostile(text), { maxBytes: 60_000 }))).toBeLessThan(60_000)
  })

  it('keeps the text of others in its place', () => {
    const unit = fc.oneof(
      fc.constantFrom(
        '<script>',
        '</details>',
        '`',
        '```',
        '~~~',
        '|',
        '\n',
        '\r',
        '@me',
        '](',
        '[',
        '<!--',
        '\\',
        '$$',
        '\u202e',
        '\u200f',
        '\u2066',
        '\u2028',
        '\u0000',
        '\u0085',
        '\u001b[1m',
        '\u001b]8;;https://evil.example/\u0007',
        '\n::error::',
        '##[error]',
        'javascript:x',
        '&#96;',
      ),
      fc.constantFrom(
        '> ',
        '# ',
        '- ',
        '---',
        'https://evil.example/',
        'a',
        ' ',
        '%%{init',
        ':done, 0, 1',
        '&lt;',
        '{{',
        '#1',
        'GH-1',
        'me/shop#1',
        '[!NOTE]',
        '1. ',
        '+ ',
      ),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }),
    )
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 30 }), (text) => {
        const page = renderSummary(hostile(text), { docsBase })
        const outside = outsideCode(page)
        expect(outside).not.toMatch(/<(?!\/?(?:details|summary|code)>|details open>|br>)/)
        expect(outside.match(/<details(?: open)?>/g)).toHaveLength(outside.match(/<\/details>/g)?.length ?? 0)
        expect(outside.replace(/\]\([^)]*\)/g, ']')).not.toMatch(/@[a-z0-9]/i)
        // References to issues: not in code, which makes none, nor in our own entities and addresses.
        const words = outside.replace(/<code>.*?<\/code>|&#\d+;|\]\([^)]*\)/g, ' ')
        expect(words).not.toMatch(/#\d|\bGH-\d/i)
        expect(page.replace(/\u200b/g, '')).not.toMatch(/[\p{Cf}\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/u)
        expectTables(outside)
        expectHarmless(toHtml(page))
        expectHarmless(toHtml(renderSummary({ ...hostile(text), ...looked(text) }, { docsBase })))
      }),
      { numRuns: 120 },
    )
  })
})

describe('the verdict', () => {
  const sample: Report = { ...rollbackFailed, changed: false }
  const { before: _, ...first } = rolledBack
  test.each<[string, Report, string]>([
    ['deployed', deployed, 'Deployed `e4f5a6b` in 24.7 s: its health check passes.'],
    ['rollback', { ...deployed, mode: 'rollback' }, 'Went back to `e4f5a6b` in 24.7 s: its health check passes.'],
    ['keys', { ...deployed, mode: 'upload-keys' }, 'The keys are on the host.'],
    ['unchanged', { ...deployed, result: 'unchanged' }, 'Nothing to do: `e4f5a6b` already serves.'],
    [
      'planned',
      { ...deployed, result: 'planned' },
      'A deploy of `e4f5a6b` would put it in the place of what runs. Nothing was changed.',
    ],
    [
      'planned, with what is known',
      planned,
      'A deploy of `e4f5a6b` would change 4 files, 2 variables of the env file and 2 things besides. Nothing was changed.',
    ],
    [
      'planned, and nothing to do',
      { ...planned, plan: planned.plan?.map((each) => ({ ...each, unchanged: true })) ?? [] },
      'A deploy of `e4f5a6b` would find nothing to do. Nothing was changed.',
    ],
    ['healthy', { ...deployed, result: 'healthy', health: [] }, '`e4f5a6b` serves: no health check was made.'],
    ['unhealthy', { ...rolledBack, result: 'unhealthy' }, '`e4f5a6b` is not healthy: its health check fails.'],
    ['rolled back', rolledBack, 'The deploy of `e4f5a6b` failed. The old version `a1b2c3d` serves again.'],
    ['the first deploy', first, 'The deploy of `e4f5a6b` failed and was undone. What was there before is back.'],
    [
      'failed early',
      { ...sample, result: 'failed' },
      'The deploy of `e4f5a6b` failed before anything changed. `a1b2c3d` still serves.',
    ],
    [
      'failed late',
      { ...sample, result: 'failed', changed: true },
      'The deploy of `e4f5a6b` failed and was not undone. Look at the host.',
    ],
    ['no plan', { ...sample, result: 'failed', mode: 'plan' }, 'The plan for `e4f5a6b` failed. Nothing was changed.'],
    [
      'cancelled',
      { ...rolledBack, failure: { code: 'HD-CANCEL-01', step: '', what: '', why: '', fix: '', detail: '' } },
      'The deploy of `e4f5a6b` was cancelled. The old version `a1b2c3d` serves again.',
    ],
  ])('%s', (_name, report, expected) => {
    expect(verdict(report)).toBe(expected)
  })

  test.each(results)('%s has a sentence, and an annotation exactly when it is red', (result) => {
    expect(verdict({ ...deployed, result })).toMatch(/^[A-Z`].*\.$/)
    const green = ['deployed', 'unchanged', 'planned', 'healthy'].includes(result)
    expect(annotationOf({ ...deployed, result }) === undefined).toBe(green)
  })
})

describe('the annotation', () => {
  it('says what failed, why, what to do', () => {
    expect(annotationOf(rolledBack, docsBase)).toEqual({
      title: 'shop on deploy@web1: rolled-back',
      message: `The deploy of \`e4f5a6b\` failed. The old version \`a1b2c3d\` serves again.
http://localhost:8080/health did not become healthy within 60 s.
Why: It answered 502 to the end.
What to do:
Read the logs of the service on the host:
cd /srv/shop
docker compose logs --tail 50 web
HD-HEALTH-01 · https://github.com/org/homelab-deploy/blob/v1/docs/errors.md#hd-health-01`,
    })
  })

  it('tells of the second failure, and how to help the host first', () => {
    const { message } = annotationOf(rollbackFailed) ?? { message: '' }
    expect(message).toContain('The rollback: The old images could not be started.')
    expect(message).toContain('What to do: Free some space')
  })

  it('keeps code and link whatever the length', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '\n', ' ', '漢', '::', '\u001b[1m'), maxLength: 5_000, size: 'max' }),
        (text) => {
          const { title, message } = annotationOf(hostile(text), docsBase) ?? { title: '', message: '' }
          expect(title.length + message.length).toBeLessThanOrEqual(4_000)
          expect(message.endsWith('errors.md#hd-step-01')).toBe(true)
        },
      ),
    )
  })
})

describe('the outputs', () => {
  it('are all there', () => {
    expect(outputsOf(deployed, '/tmp/r.json')).toEqual({
      result: 'deployed',
      release: '20260102-120000-e4f5a6b',
      'previous-release': '20260101-120000-a1b2c3d',
      revision: 'e4f5a6b7c8d90718293a4b5c6d7e8f9012345678',
      'previous-revision': 'a1b2c3d4e5f60718293a4b5c6d7e8f9012345678',
      changed: 'true',
      url: 'https://shop.example.org/',
      'host-key': 'SHA256:AbCdEf',
      'duration-ms': '24740',
      report: '/tmp/r.json',
    })
  })

  const { before: _before, after: _after, ...bare } = deployed
  const old = { id: 'r1', revision: 'c1' }
  const next = { id: 'r2', revision: 'c2' }
  test.each<[string, Report, string]>([
    ['nothing is known', bare, ''],
    ['it was deployed', { ...bare, before: old, after: next }, 'r2'],
    ['nothing was to do', { ...bare, result: 'unchanged', before: old }, 'r1'],
    ['it was rolled back', { ...bare, result: 'rolled-back', before: old, after: next }, 'r1'],
    ['it failed early', { ...bare, result: 'failed', changed: false, before: old, after: next }, 'r1'],
    ['it was left as it is', { ...bare, result: 'failed', changed: true, before: old, after: next }, 'r2'],
    ['nobody knows', { ...bare, result: 'unknown', before: old, after: next }, ''],
    ['it needs a person', { ...bare, result: 'rollback-failed', before: old, after: next }, ''],
  ])('name what serves when %s', (_name, report, release) => {
    expect(outputsOf(report, '')).toMatchObject({ release, revision: release.replace('r', 'c'), report: '' })
  })
})

describe('the timeline', () => {
  /** All that Mermaid's language for such charts allows in a bar, and that none of its keywords can begin. */
  const bar = /^ {2}[✓✗–] [\p{L}\p{N} .,()@/_…-]+ :(?:crit, |done, )?2000-01-\d\d \d\d:\d\d:\d\d\.\d{3}, [1-9]\d*ms$/u
  const step = (name: string, startedMs: number, durationMs: number) => ({
    name,
    startedMs,
    durationMs,
    result: 'ok' as const,
    note: '',
  })

  it('needs two steps', () => {
    expect(timeline(deployed.steps.slice(0, 1))).toBe('')
  })

  it('stays under 5,000 characters and one line a step', () => {
    const steps = Array.from({ length: 200 }, (_, at) => step('漢x\n'.repeat(99), at, 1e9))
    expect(timeline(steps).length).toBeLessThan(5_000)
    expect(timeline(steps).split('\n')).toHaveLength(5 + 30)
  })

  it.each([
    [900, '100millisecond', '%-S.%L s'],
    [24_740, '5second', '%-S s'],
    [180_000, '15second', '%M:%S'],
    [5_400_000, '30minute', '%H:%M'],
  ])('of %i ms has marks that a person can read', (total, every, format) => {
    const chart = timeline([step('a', 0, 1), step('b', 1, total - 1)])
    expect(chart).toContain(`tickInterval ${every}\n`)
    expect(chart).toContain(`axisFormat ${format}\n`)
  })

  const chartOf = (report: Report) => chartsOf(renderSummary(report))[0] ?? ''

  it.each([
    ['deployed', deployed],
    ['rolled back', rolledBack],
    ['planned', planned],
    ['of two steps', { ...deployed, steps: [step('a', 0, 1), step('b', 1, 1)] }],
    ['of sixty steps', { ...deployed, steps: Array.from({ length: 60 }, (_, at) => step(`step ${at}`, at * 9, 9)) }],
    ['of a day', { ...deployed, steps: [step('a', 0, 1), step('b', 1, 86_400_000)] }],
    ['of long names', { ...deployed, steps: [step('x'.repeat(1e6), 0, 1), step('漢'.repeat(1e4), 1, 1e6)] }],
  ])('is what Mermaid itself reads: %s', async (_, report) => {
    const shown = report.steps.slice(-30)
    const bars = await readGantt(chartOf(report))
    expect(bars).toHaveLength(shown.length)
    const first = shown[0]?.startedMs ?? 0
    for (const [at, { startTime, endTime, crit }] of bars.entries()) {
      const { startedMs = 0, durationMs = 0, result } = shown[at] ?? {}
      expect(startTime.getTime() - (bars[0]?.startTime.getTime() ?? 0)).toBe(startedMs - first)
      expect(endTime.getTime() - startTime.getTime()).toBeGreaterThanOrEqual(durationMs)
      expect(crit ?? false).toBe(result === 'failed')
    }
  })

  it('is none of a single step', () => {
    expect(chartOf({ ...deployed, steps: [step('a', 0, 1)] })).toBe('')
  })

  it('keeps the text of others in its place', async () => {
    const unit = fc.oneof(
      fc.constantFrom(
        ':',
        '#',
        ';',
        '%%',
        '%%{init',
        '\n',
        ',',
        'section ',
        'click ',
        '"',
        '<br/>',
        'title x',
        '`',
        'vert',
        'done, ',
        'crit, ',
        '---',
        '{',
        '}',
        '<',
        'gantt',
        '::icon',
      ),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }),
    )
    const names = fc.array(fc.string({ unit, maxLength: 20 }), { minLength: 2, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(names, async (names) => {
        const chart = timeline(names.map((name, at) => step(name, at * 10, 20)))
        const [head, ...lines] = chart.split('\n')
        expect(head).toBe('gantt')
        expect(lines.slice(4).filter((line) => !bar.test(line.normalize()))).toEqual([])
        expect(drawGantt(chart)?.match(/<rect /g)).toHaveLength(names.length)
        const bars = await readGantt(chart)
        expect(bars.map(({ task }) => /^[✓✗–] .*\([^()]+\) $/.test(task))).toEqual(names.map(() => true))
      }),
    )
  })
})
