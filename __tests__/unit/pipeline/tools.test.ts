import { expect, it } from 'vitest'
import { older } from '../../../src/pipeline/preflight.ts'

it.each([
  ['0.4.3', '0.4.4', true],
  ['0.4.4', '0.4.4', false],
  ['0.10.0', '0.4.4', false],
  ['1.0', '0.4.4', false],
  ['0.4', '0.4.4', true],
  ['2.26', '2.26.1', true],
])('%s is older than %s: %s', (version, least, wanted) => {
  expect(older(version, least)).toBe(wanted)
})
