import { expect, test } from 'vitest'
import { codes } from '../../../src/codes.ts'
import { exits } from '../../../src/data/kit.ts'
import { dataFailed, saidOf } from '../../../src/data/said.ts'

test('what the scripts of the data say is told from what else a phase prints', () => {
  const output =
    'x\nhomelab-deploy: tar: a is backed up\n homelab-deploy: no\nhomelab-deploy: warning: it ran before\ny'
  expect(saidOf(output)).toEqual({ notes: ['tar: a is backed up'], warnings: ['it ran before'] })
})

test('the exit code says which error it is', () => {
  for (const [exit, code] of Object.entries(exits)) {
    expect(Object.keys(codes)).toContain(code)
    expect(dataFailed('nas', 'backup', Number(exit), 'first\nlast\n')).toMatchObject({
      code,
      why: 'last',
      detail: 'first\nlast\n',
    })
  }
  expect(dataFailed('nas', 'backup', 1, '')?.code).toBe('HD-DATA-01')
  expect(dataFailed('nas', 'data', 127, '')?.code).toBe('HD-DATA-07')
  // A migration may end with any code.
  expect(dataFailed('nas', 'migrate', 84, '')?.code).toBe('HD-DATA-05')
  expect(dataFailed('nas', 'apply', 84, '')).toBe(undefined)
})
