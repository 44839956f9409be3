import { describe, expect, test } from 'vitest'
import { secretsIn } from '../../../src/inputs/masks.ts'
import { key } from './helpers.ts'

describe('what is masked', () => {
  test('whole values of one line', () => {
    const env = { 'INPUT_SSH-KEY-PASSPHRASE': ' ab ', 'INPUT_GITHUB-TOKEN': 'ghs_1', INPUT_HOST: 'nas', HOME: '/root' }
    expect(secretsIn(env)).toEqual(['ab', 'ghs_1'])
  })

  test('the lines of a key, however it was pasted, and not those that every key has', () => {
    const lines = key.private.trim().split('\n').slice(1, -1)
    for (const text of [key.private, key.private.replaceAll('\n', '\\n'), key.private.replaceAll('\n', '\r\n')]) {
      const masks = secretsIn({ 'INPUT_SSH-KEY': text })
      expect(masks).toEqual(expect.arrayContaining(lines.filter((line) => line.length >= 4)))
      expect(masks.some((mask) => mask.startsWith('-----BEGIN') && !mask.includes('\\n'))).toBe(false)
    }
  })

  test('each value of a dotenv text that could be one', () => {
    const text = [
      'A=s3cr3t-value',
      'B="two words"',
      "C='one line\n{\n  another line'",
      'PORT=8080',
      'PIN=12345',
      'DEBUG=true',
      'HOST=localhost',
      'LEVEL=abc',
      'EMPTY=',
      'broken line',
    ].join('\n')
    expect(secretsIn({ 'INPUT_ENV-FILE': text })).toEqual([
      's3cr3t-value',
      'two words',
      'one line',
      'another line',
      '12345',
    ])
  })

  test('files: what is sent, and the text that is in it', () => {
    const one = Buffer.from('hunter22\n').toString('base64')
    const two = Buffer.from('{\n  "password": "hunter33"\n}\n').toString('base64')
    const three = Buffer.from([0, 255, 1, 2]).toString('base64')
    expect(secretsIn({ 'INPUT_SECRET-FILES': `a <- ${one}\nb <- ${two}\nc <- ${three}\nd <- ` })).toEqual([
      one,
      'hunter22',
      two,
      '"password": "hunter33"',
      three,
    ])
  })

  test('nothing at all where nothing was given', () => {
    expect(secretsIn({ 'INPUT_SSH-KEY': '', 'INPUT_ENV-FILE': ' \n', 'INPUT_SECRET-FILES': '' })).toEqual([])
  })
})
