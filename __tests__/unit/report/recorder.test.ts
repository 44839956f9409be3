import { readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { DeployError } from '../../../src/errors.ts'
import { modes } from '../../../src/pipeline/plan.ts'
import { Recorder } from '../../../src/report/recorder.ts'
import { results } from '../../../src/report/report.ts'
import { problemsOf, schema } from '../../helpers/report-schema.ts'
import { deployed, drifted, planned, rollbackFailed, rolledBack } from './samples.ts'

describe('the published schema', () => {
  test.each([
    ['deployed', deployed],
    ['rolled back', rolledBack],
    ['rollback failed', rollbackFailed],
    ['planned', planned],
    ['drifted', drifted],
    ['empty', new Recorder({ ...deployed }).finish()],
  ])('accepts a report: %s', (_, report) => {
    expect(problemsOf(JSON.parse(JSON.stringify(report)))).toEqual([])
  })

  it('refuses what is none', () => {
    expect(problemsOf({ ...deployed, result: 'fine', steps: [{}], more: 1, run: undefined })).not.toEqual([])
  })

  it('says nothing that is not looked at when a report is compared with it', () => {
    const keywords = new Set<string>()
    const walk = (rule: object, names = false): void => {
      for (const [key, value] of Object.entries(rule)) {
        if (!names) keywords.add(key)
        if (['properties', '$defs'].includes(key)) walk(value, true)
        else if (names || key === 'items') walk(value)
      }
    }
    walk(schema)
    const compared = [
      '$ref',
      'const',
      'enum',
      'type',
      'items',
      'properties',
      'required',
      'minimum',
      'format',
      'pattern',
    ]
    const about = ['$schema', '$id', '$defs', 'title', 'description']
    expect([...keywords].filter((keyword) => !compared.includes(keyword) && !about.includes(keyword))).toEqual([])
  })

  test.each([
    ['a negative duration', { durationMs: -1 }, 'report.durationMs is less than 0'],
    ['no time', { startedAt: 'yesterday' }, 'report.startedAt is no time'],
    ['another word', { result: 'fine' }, 'report.result is none of the words'],
    ['a field more', { more: 1 }, 'report.more is not in the schema'],
    ['text for a list', { warnings: 'x' }, 'report.warnings is no array'],
  ])('finds %s', (_, wrong, problem) => {
    expect(problemsOf({ ...deployed, ...wrong })).toEqual([problem])
  })

  it('knows the words', () => {
    expect(schema.$defs?.Result?.enum).toEqual(results)
    expect(schema.properties?.mode?.enum).toEqual(modes)
  })

  // The types are read as text: nothing of them is left when the test runs.
  const source = readFileSync(new URL('../../../src/report/report.ts', import.meta.url), 'utf8')
  const interfaces = [...source.matchAll(/export interface (\w+) \{\n([\s\S]*?)\n\}/g)].map(
    ([, name = '', body = '']) => ({
      name,
      fields: [...body.matchAll(/^ {2}readonly (\w+)(\??):/gm)].map(([, field = '', mark]) => ({
        field,
        optional: mark === '?',
      })),
    }),
  )

  test.each(interfaces)('has the fields of $name', ({ name, fields }) => {
    const rule = name === 'Report' ? schema : schema.$defs?.[name]
    expect(Object.keys(rule?.properties ?? {}).sort()).toEqual(fields.map(({ field }) => field).sort())
    expect([...(rule?.required ?? [])].sort()).toEqual(
      fields.flatMap(({ field, optional }) => (optional ? [] : [field])).sort(),
    )
  })

  it('leaves out no type', () => {
    expect(
      interfaces
        .map(({ name }) => name)
        .filter((name) => name !== 'Report')
        .sort(),
    ).toEqual(
      Object.keys(schema.$defs ?? {})
        .filter((name) => name !== 'Result')
        .sort(),
    )
  })
})

describe('the recorder', () => {
  const newRecorder = () => {
    let now = 1_000
    const recorder = new Recorder(deployed, () => now)
    return {
      recorder,
      pass: (ms: number) => {
        now += ms
      },
    }
  }

  it('fills a report', async () => {
    const { recorder, pass } = newRecorder()
    const got = await recorder.step('connect', async ({ note }) => {
      pass(20)
      note('fine')
      return 7
    })
    await recorder.step('backup', async ({ skip }) => skip('none asked for'))
    recorder.result = 'deployed'
    Object.assign(recorder.machine('me@box'), {
      before: deployed.before,
      changed: true,
      hostKey: 'SHA256:x',
      health: deployed.health,
    })
    recorder.warnings.push('careful')
    pass(5)
    const report = recorder.finish()
    expect(got).toBe(7)
    expect(report).toMatchObject({
      result: 'deployed',
      changed: true,
      durationMs: 25,
      warnings: ['careful'],
      before: deployed.before,
    })
    expect('after' in report || 'failure' in report).toBe(false)
    expect(report.steps).toEqual([
      { name: 'connect', startedMs: 0, durationMs: 20, result: 'ok', note: 'fine' },
      { name: 'backup', startedMs: 20, durationMs: 0, result: 'skipped', note: 'none asked for' },
    ])
  })

  it('names the innermost step of a failure, and keeps the first cause', async () => {
    const { recorder } = newRecorder()
    const error = new DeployError('HD-HEALTH-01', 'ill', { fix: 'rest' })
    const run = recorder.step('deploy', () => recorder.step('health', () => Promise.reject(error)))
    await expect(run).rejects.toBe(error)
    recorder.fail(error)
    recorder.fail(new Error('later'))
    await recorder
      .step('restore', () => Promise.reject(new Error('boom')))
      .catch((thrown) => recorder.failRollback(thrown))
    const report = recorder.finish()
    expect(report.failure).toEqual({
      code: 'HD-HEALTH-01',
      step: 'health',
      what: 'ill',
      why: '',
      fix: 'rest',
      detail: '',
    })
    expect(report.rollbackFailure).toMatchObject({ code: 'HD-INTERNAL-01', step: 'restore' })
    expect(report.steps.map((step) => step.result)).toEqual(['failed', 'failed', 'failed'])
  })

  it('reports no more than the schema knows, and no release that is none', () => {
    const { recorder } = newRecorder()
    const none = { id: '', revision: '' }
    Object.assign(recorder.machine('me@box'), {
      before: none,
      changes: { ...deployed.changes, drifted: [], counts: { added: 1, changed: 2, removed: 1, folders: 3 } },
    })
    recorder.run = { ...deployed.run, sha: 'x' }
    const report = recorder.finish()
    expect(problemsOf(report)).toEqual([])
    expect('before' in report).toBe(false)
    for (const machine of recorder.machines) machine.changed = true
    expect(recorder.finish().changed).toBe(true)
    recorder.result = 'rolled-back'
    expect(recorder.finish().changed).toBe(false)
    expect(report.run.sha).toBe('x')
  })

  it('can stop in the middle of a step', () => {
    const { recorder, pass } = newRecorder()
    void recorder.step('apply', () => new Promise(() => {}))
    pass(30)
    recorder.fail(new DeployError('HD-CANCEL-01', 'cancelled'))
    const report = recorder.finish()
    expect(report).toMatchObject({ result: 'failed', failure: { step: 'apply' } })
    expect(report.steps).toEqual([
      { name: 'apply', startedMs: 0, durationMs: 30, result: 'failed', note: 'interrupted' },
    ])
  })
})
