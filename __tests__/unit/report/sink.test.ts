import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { Lines } from '../../../src/report/lines.ts'
import { Progress } from '../../../src/report/progress.ts'
import { Redactor } from '../../../src/report/redact.ts'
import { Sink } from '../../../src/report/sink.ts'
import { deployed, rolledBack } from './samples.ts'

let written = ''
/** One for all tests: @actions/core remembers where the summary goes. */
const directory = mkdtempSync(join(tmpdir(), 'sink-'))
const docsBase = 'https://github.com/org/homelab-deploy/blob/v1'

const newSink = (reportDir = directory) => new Sink({ docsBase, reportDir })

beforeEach(() => {
  for (const name of ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY']) {
    writeFileSync(join(directory, name), '')
    vi.stubEnv(name, join(directory, name))
  }
  written = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += String(text)
    return true
  })
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

afterAll(() => rmSync(directory, { recursive: true }))

const lines = () => written.split('\n').slice(0, -1)

describe('output', () => {
  it('shows whole lines, each source for itself', async () => {
    const sink = newSink()
    sink.output('web1', 'one\ntw')
    sink.output('web2', 'three\n')
    sink.output('web1', 'o\r\n\n')
    sink.output('web1', 'no end')
    sink.output('web1', '')
    sink.output('web1', '')
    expect(lines()).toEqual(['  web1 │ one', '  web2 │ three', '  web1 │ two', '  web1 │', '  web1 │ no end'])
  })

  it('cuts a line, and never a secret in two', async () => {
    const sink = newSink()
    sink.mask('correct horse')
    written = ''
    sink.output('h', `${'x'.repeat(1_980)}correct horse battery\n${'y'.repeat(16_380)}correct horse\n`)
    expect(written).not.toMatch(/corr/)
    expect(lines().map((each) => each.length)).toEqual([1_997, 2_000])
  })

  it('hides a secret that colours cut in two', async () => {
    const sink = newSink()
    sink.mask('hunter22')
    written = ''
    sink.output('h', 'hun\u001b[1mter22 and hunt\0er22\n')
    expect(lines()).toEqual(['  h │ *** and ***'])
  })

  it('gives the runner no command, whatever a host says', async () => {
    const sink = newSink()
    const unit = fc.oneof(
      fc.constantFrom(
        '::',
        ':',
        '##[',
        '#',
        '[',
        'error',
        '::set-env name=a::b',
        '\n',
        '\r',
        ' ',
        '\u2028',
        '\u0085',
        '\u001b[A',
        '\u200d',
        '\0',
      ),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 2 }),
    )
    const text = fc.string({ unit, maxLength: 40 })
    fc.assert(
      fc.property(text, fc.array(text, { maxLength: 5 }), (source, chunks) => {
        written = ''
        for (const chunk of chunks) sink.output(source, chunk)
        sink.flush()
        for (const chunk of chunks) sink.info(chunk)
        for (const each of written.split(/[\r\n\u2028\u2029\u0085]/)) {
          if (/^[\s\u200d]*::/.test(each) || each.replaceAll('\u200d', '').includes('##['))
            throw new Error(JSON.stringify(each))
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('lines', () => {
  test.each([
    ['a progress bar', ['1%\r2', '%\r3%', '\r\n'], ['3%']],
    ['a carriage return between two pieces', ['a\r', '\nb\n'], ['a', 'b']],
    ['many returns', ['a\r\r\r\n', '\r\n'], ['a', '']],
    ['no end', ['a', 'b'], ['ab']],
  ])('%s', (_, chunks, expected) => {
    const buffer = new Lines()
    const all = [...chunks.flatMap((chunk) => buffer.push(chunk)), ...buffer.flush()]
    expect(all.map((each) => each.text)).toEqual(expected)
  })

  it('keeps no more than it shows', () => {
    const buffer = new Lines()
    for (let at = 0; at < 1_000; at += 1) buffer.push('x'.repeat(10_000))
    expect(buffer.push('\n')).toEqual([{ text: 'x'.repeat(16_384), cut: true }])
    expect(buffer.push('y\n')).toEqual([{ text: 'y', cut: false }])
  })
})

describe('redaction', () => {
  test.each([
    ['the value', 'secret', 'a secret', 'a ***'],
    ['its lines, but not its braces', '{\n  hunter22\n}', '{hunter22}', '{***}'],
    ['base64 and addresses', 'pass word/1', `${btoa('pass word/1')} pass%20word%2F1`, '*** ***'],
    ['the longer first', 'abcdef\nabcdefgh', 'abcdefgh', '***'],
    ['not the stars', '***', '***', '***'],
  ])('hides %s', (_, value, text, expected) => {
    const redactor = new Redactor()
    redactor.add(value)
    expect(redactor.redact(text)).toBe(expected)
  })
})

describe('progress', () => {
  const start = () => {
    const clock = { now: 0 }
    const printed: string[] = []
    const progress = new Progress(
      (text) => void printed.push(text),
      () => clock.now,
    )
    return { clock, printed, progress }
  }

  test('speaks at most every two seconds, and has the last word', () => {
    const { clock, printed, progress } = start()
    for (; clock.now <= 5_000; clock.now += 500) progress.update(`${clock.now}`)
    progress.done()
    progress.done()
    expect(printed).toEqual(['2000', '4000', '5000'])
  })

  test('of what is over at once is none', () => {
    const { clock, printed, progress } = start()
    for (; clock.now < 2_000; clock.now += 100) progress.update(`${clock.now}`)
    progress.done()
    expect(printed).toEqual([])
  })

  test('becomes rarer, and never falls silent', () => {
    const { clock, printed, progress } = start()
    for (; clock.now <= 600_000; clock.now += 500) progress.update(`${clock.now}`)
    expect(printed.length).toBeGreaterThan(40)
    expect(printed.length).toBeLessThan(80)
    expect(Number(printed.at(-1)) - Number(printed.at(-2))).toBe(15_000)
  })

  test('gives a sign of life where nobody says anything, and none where somebody does', () => {
    const { clock, printed, progress } = start()
    clock.now = 100_000
    progress.begin()
    for (; clock.now <= 195_000; clock.now += 5_000) progress.pulse('Build', 100_000)
    expect(printed).toEqual(['Build: 30.0 s so far', 'Build: 1 m 00 s so far', 'Build: 1 m 30 s so far'])
    progress.begin()
    for (; clock.now <= 300_000; clock.now += 5_000) progress.pulse('Build', clock.now - 10_000)
    expect(printed).toHaveLength(3)
  })
})

describe('the log', () => {
  it('groups one level deep and ends lines with the group', async () => {
    const sink = newSink()
    await sink.group('one', async () => {
      sink.output('h', 'half')
      sink.startGroup('two\n::error::x')
    })
    expect(lines()).toEqual(['::group::one', '  h │ half', '::endgroup::', '::group::two ::error::x', '::endgroup::'])
  })

  it('ends the group of work that fails', async () => {
    const sink = newSink()
    await expect(sink.group('one', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(lines().at(-1)).toBe('::endgroup::')
  })

  it('annotates nine warnings and no more', async () => {
    const sink = newSink()
    for (let at = 1; at <= 12; at += 1) sink.warning(`number ${at}`)
    expect(lines().filter((each) => each.startsWith('::warning'))).toHaveLength(9)
    expect(lines().at(-1)).toBe('Warning: number 12')
    expect(sink.warnings).toHaveLength(12)
  })

  it('masks what there is to mask', async () => {
    const sink = newSink()
    sink.mask('')
    sink.mask(' \n')
    sink.mask('hunter22')
    sink.info('it is hunter22')
    sink.warning('it is hunter22')
    expect(lines()).toEqual(['::add-mask::hunter22', 'it is ***', '::warning::it is ***'])
  })
})

describe('publish', () => {
  const file = (name: string) => readFileSync(join(directory, name), 'utf8')
  const output = (name: string) =>
    new RegExp(`^${name}<<(.*)\\n([\\s\\S]*?)\\n\\1$`, 'm').exec(file('GITHUB_OUTPUT'))?.[2]

  it('writes outputs, summary and report, and one error', async () => {
    const sink = newSink()
    sink.mask('deploy@web1')
    sink.warning('mind the gap')
    await Promise.all([sink.publish(rolledBack), sink.publish(rolledBack)])
    await sink.publish(rolledBack)
    expect(output('result')).toBe('rolled-back')
    expect(output('url')).toBe('https://shop.example.org/')
    expect(file('GITHUB_STEP_SUMMARY')).toContain('serves again')
    expect(file('GITHUB_STEP_SUMMARY')).toContain('- mind the gap')
    const path = output('report') ?? ''
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
      result: 'rolled-back',
      hosts: ['***'],
      warnings: ['mind the gap'],
    })
    expect(lines().filter((each) => each.startsWith('::error'))).toHaveLength(1)
    expect(lines().at(-1)).toMatch(
      /^::error title=shop on \*\*\*%3A rolled-back::The deploy of .*%0A.*%0AWhat to do:%0A.*#hd-health-01$/,
    )
  })

  it('says which output GitHub will not pass on, and why', async () => {
    const sink = newSink()
    sink.mask('shop.example.org')
    await sink.publish(deployed)
    expect(lines()[1]).toMatch(/^::warning::The output `url` holds a value that is masked.*`vars`/)
    expect(output('url')).toBe('https://shop.example.org/')
    expect(file('GITHUB_STEP_SUMMARY')).toContain('holds a value that is masked')
    expect(file('GITHUB_STEP_SUMMARY')).not.toContain('shop.example.org')
  })

  it('tells others first, without secrets, and says in the summary what they did not take', async () => {
    const sink = newSink()
    sink.mask('deploy@web1')
    let told = ''
    await sink.publish(deployed, async (shown) => {
      told = JSON.stringify(shown)
      sink.warning('they were not there')
      throw new Error('boom')
    })
    expect(told).not.toContain('deploy@web1')
    expect(file('GITHUB_STEP_SUMMARY')).toContain('- they were not there')
    expect(lines().join()).toContain('Could not write to GitHub: boom')
    expect(written).not.toContain('::error')
  })

  it('tells others last when the job was cancelled', async () => {
    const sink = newSink()
    let seen = ''
    const tell = async () => {
      seen = file('GITHUB_STEP_SUMMARY')
      return {}
    }
    await sink.publish(deployed, tell, true)
    expect(seen).toContain('### ✅ shop')
  })

  it('prints the summary too where nobody may see it', async () => {
    const sink = new Sink({ docsBase: '', reportDir: directory, summaryInLog: true })
    await sink.publish(deployed)
    const summary = readFileSync(join(directory, 'GITHUB_STEP_SUMMARY'), 'utf8').trimEnd().split('\n')
    const [begin, end] = ['::group::Summary', '::endgroup::'].map((each) => lines().indexOf(each))
    // A log makes no links, so nothing has to be kept from being one.
    expect(lines().slice((begin ?? 0) + 1, end)).toEqual(summary.map((each) => each.replaceAll('\u200b', '')))
  })

  it('raises no error when all is well', async () => {
    const sink = newSink()
    await sink.publish(deployed)
    expect(written).not.toContain('::error')
    expect(lines()).toEqual(['Deployed `e4f5a6b` in 24.7 s: its health check passes.'])
  })

  it('breaks nothing where nothing can be written', async () => {
    rmSync(join(directory, 'GITHUB_STEP_SUMMARY'))
    mkdirSync(join(directory, 'GITHUB_STEP_SUMMARY'))
    vi.stubEnv('GITHUB_OUTPUT', join(directory, 'missing'))
    const sink = newSink(join(directory, 'missing'))
    await sink.publish(deployed)
    expect(lines().filter((each) => each.startsWith('Could not write'))).toHaveLength(3)
    expect(written).not.toMatch(/^::/m)
  })
})
