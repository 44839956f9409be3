import { describe, expect, test } from 'vitest'
import { secretFiles } from '../../../src/inputs/secret-files.ts'
import { planOf, raw, read, refusal, textOf } from './helpers.ts'

const bytes = Buffer.from([0, 255, 128, 10, 13])
const parse = (text: string) => read((each, refuse) => secretFiles.read(raw(each), refuse), text)

describe('secret-files', () => {
  test('every byte survives', () => {
    const [file] = planOf({ 'INPUT_SECRET-FILES': `keys/a b.bin <- ${bytes.toString('base64')}` }).files
    expect(file?.path).toBe('keys/a b.bin')
    expect(Buffer.from(file?.base64.reveal() ?? '', 'base64')).toEqual(bytes)
    expect(JSON.stringify(file)).toBe('{"path":"keys/a b.bin","base64":"***"}')
  })

  test('comments, empty lines, absolute paths, arrows in names', () => {
    const { value, said } = parse('\n# keys\n/etc/app/key<-AAAA\r\na <- b <- AAAA\n')
    expect(said).toEqual([])
    expect(value?.map(({ path }) => path)).toEqual(['/etc/app/key', 'a <- b'])
  })

  test.each([
    ['no arrow', 'hunter2hunter2', /line 1 names no file/],
    ['no path', '\n <- AAAA', /line 2 names no file/],
    ['damaged base64', 'a <- AAA', /line 1 holds no valid base64/],
    ['base64 of the web', 'a <- __-_', /no valid base64/],
    ['something behind it', 'a <- AAAA # note', /no valid base64/],
    ['out of the tree', '../a <- AAAA', /`\.\.`/],
    ['the keys of a user', '/root/.ssh/id <- AAAA', /no file that a deploy may write/],
    ['twice', 'a <- AAAA\n./a <- BBBB', /line 2 names the file of line 1 again/],
  ])('refuses %s, without showing it', (_, text, reason) => {
    const { said } = parse(text)
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(reason)
    expect(said[0]).not.toMatch(/AAAA|hunter2/)
  })

  test('a secret that is empty is an empty secret', () => {
    const error = refusal({ 'INPUT_SECRET-FILES': 'a <- \n' })
    expect(error.code).toBe('HD-ENV-01')
    expect(textOf(error)).toContain('line 1 has nothing after `<-`')
  })

  test('may not write the env file as well', () => {
    expect(refusal({ 'INPUT_SECRET-FILES': '/srv/shop/.env <- AAAA', 'INPUT_ENV-FILE': 'A=1' }).what).toContain(
      'written already',
    )
  })
})
