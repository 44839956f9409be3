import { describe, expect, test } from 'vitest'
import { closest, distance } from '../../../src/inputs/closest.ts'
import { inputNames } from '../../../src/inputs/spec.ts'

describe('did you mean', () => {
  test.each([
    ['', '', 0],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['host', 'hsot', 1],
    ['ab', 'ba', 1],
    ['hots', 'host', 1],
    ['host', 'host', 0],
  ])('from %j to %j it is %i', (from, to, steps) => {
    expect(distance(from, to)).toBe(steps)
    expect(distance(to, from)).toBe(steps)
  })

  test.each([
    ['hosts', 'host'],
    ['hots', 'host'],
    ['ssh_key', 'ssh-key'],
    ['SSH-KEYY', 'ssh-key'],
    ['lock-timout', 'lock-timeout'],
    ['envfile', 'env-file'],
    ['x', undefined],
    ['kubernetes', undefined],
    ['a'.repeat(10_000), undefined],
  ])('%.20s: %s', (word, expected) => {
    expect(closest(word, inputNames)).toBe(expected)
  })
})
