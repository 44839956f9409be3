import { parseEnv } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dotenvValues, parseDotenv, readDotenv } from '../../../src/inputs/dotenv.ts'
import { read } from './helpers.ts'

describe('env-file', () => {
  test('keeps the text, with the line ends of Unix', () => {
    expect(read(readDotenv, '\r\n# note\r\nA=1\r\n\r\nexport B="two words" # why\r\n')).toEqual({
      value: '\n# note\nA=1\n\nexport B="two words" # why\n',
      said: [],
    })
  })

  test.each([
    ['A=1', { A: '1' }],
    ['A =  1  ', { A: '1' }],
    ['A=', { A: '' }],
    ['export A=1', { A: '1' }],
    ['A=a=b', { A: 'a=b' }],
    ['A=x # note', { A: 'x' }],
    ['A="x # y" # note', { A: 'x # y' }],
    ["A='x\ny'\nB=2", { A: 'x\ny', B: '2' }],
    ['A=`"x"`', { A: '"x"' }],
    ['A.b-c=1', { 'A.b-c': '1' }],
    ['A=it"s', { A: 'it"s' }],
  ])('%j is read as Node reads it', (text, expected) => {
    const { entries, faults } = parseDotenv(text)
    expect(faults).toEqual([])
    expect(Object.fromEntries(entries.map(({ key, value }) => [key, value]))).toEqual(expected)
    expect({ ...parseEnv(text) }).toEqual(expected)
  })

  test.each([
    ['hunter2', 1, 'has no `=`'],
    ['A=1\n\nhunter2\nB=2', 3, 'has no `=`'],
    ['=hunter2', 1, 'variable name'],
    ['1A=hunter2', 1, 'variable name'],
    ['A B=hunter2', 1, 'variable name'],
    ['A=1\nB="hunter2\nC=3', 2, 'never closed'],
    ['A="hunter2"hunter2', 1, 'middle of a line'],
    ['A="1\n2" hunter2', 1, 'middle of a line'],
  ])('%j: the line is named and nothing of it shown', (text, line, reason) => {
    const { value, said } = read(readDotenv, text)
    expect(value).toBeUndefined()
    expect(said[0]).toContain(`line ${line} `)
    expect(said[0]).toContain(reason)
    expect(said.join()).not.toContain('hunter2')
  })

  test('names every bad line', () => {
    expect(parseDotenv('x\nA=1\ny\n').faults.map(({ line }) => line)).toEqual([1, 3])
  })

  test('every way in which a value may be read', () => {
    const values = dotenvValues('A=abc#def\nB="a\\"b\\nc"\nC="plain"')
    expect(values).toEqual(expect.arrayContaining(['abc#def', 'abc', 'a"b\nc', 'plain']))
  })

  test('what was written is found again, by us and by Node', () => {
    const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/)
    const value = fc.string({ unit: 'grapheme-ascii' }).filter((text) => !/["\\]/.test(text))
    fc.assert(
      fc.property(fc.dictionary(name, value, { noNullPrototype: true }), fc.boolean(), (variables, windows) => {
        const text = Object.entries(variables)
          .map(([key, each]) => `${key}="${each}"`)
          .join(windows ? '\r\n' : '\n')
        const { entries, faults } = parseDotenv(text)
        expect(faults).toEqual([])
        expect(Object.fromEntries(entries.map((entry) => [entry.key, entry.value]))).toEqual(variables)
        expect({ ...parseEnv(text) }).toEqual(variables)
        expect(new Set(dotenvValues(text))).toEqual(new Set(Object.values(variables)))
      }),
    )
  })

  test('never throws, and says a line that exists', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'A= "\'`\\#\n\r') }), (text) => {
        const count = text.split(/\r\n?|\n/).length
        for (const { line } of parseDotenv(text).faults) expect(line > 0 && line <= count).toBe(true)
      }),
    )
  })
})
