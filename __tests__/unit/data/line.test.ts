import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseBackup } from '../../../src/data/line.ts'
import { unitsOf, unitsScript } from '../../../src/data/unit.ts'
import { LocalHost, shells } from '../../helpers/local-host.ts'

describe('a line of `backup`', () => {
  test.each([
    ['tar: data', { kind: 'tar', of: ['data'], keep: 7, as: '' }],
    ['tar:data/ ./logs  keep=3', { kind: 'tar', of: ['data', 'logs'], keep: 3, as: '' }],
    [`tar: "my data" 'it is "so"' as=app keep=12`, { kind: 'tar', of: ['my data', 'it is "so"'], keep: 12, as: 'app' }],
    ['tar: "keep=3"', { kind: 'tar', of: ['keep=3'], keep: 7, as: '' }],
    ['tar: /srv//shop/./x', { kind: 'tar', of: ['/srv/shop/x'], keep: 7, as: '' }],
    ['  sqlite:  data/app.db as=www-data', { kind: 'sqlite', of: ['data/app.db'], keep: 7, as: 'www-data' }],
    ['postgres: shop as=postgres keep=1', { kind: 'postgres', of: ['shop'], keep: 1, as: 'postgres' }],
    ['postgres: "my shop"', { kind: 'postgres', of: ['my shop'], keep: 7, as: '' }],
  ])('%s', (line, wanted) => {
    expect(parseBackup(line)).toEqual(wanted)
  })

  test.each([
    ['', /none of/],
    ['data', /none of/],
    ['mysql: shop', /none of/],
    ['TAR: data', /none of/],
    ['tar:', /names nothing/],
    ['tar: keep=3', /names nothing/],
    ['tar: ""', /the tree itself/],
    ['tar: .', /the tree itself/],
    ['tar: ./', /the tree itself/],
    ['tar: ~/data', /`~` is not known/],
    ['tar: ../other', /hold `\.\.`/],
    ['tar: a/../b', /hold `\.\.`/],
    ['tar: -rf', /begin with -/],
    ['tar: "a\u0007b"', /control character/],
    ['tar: "a', /quote has no partner/],
    [`tar: a"b"`, /quote has no partner, or stands within a word/],
    ['tar: data kepe=3', /no option `kepe`; there are keep and as/],
    ['tar: a keep=3 b', /b stands behind the options/],
    ['tar: a keep=3 keep=4', /given twice/],
    ['tar: a keep=0', /whole number/],
    ['tar: a keep=1e3', /whole number/],
    ['tar: a keep=', /whole number/],
    ['tar: a as=', /name of a user/],
    ['tar: a as=-x', /name of a user/],
    ['tar: a as=root;id', /name of a user/],
    ['sqlite: a.db b.db', /names one FILE/],
    ['postgres: a b', /names one DB/],
    ['postgres: "host=x password=y"', /name of the database alone/],
    ['postgres: postgres://me:pw@host/db', /name of the database alone/],
    ['postgres: -h', /begin with -/],
    [`postgres: ${'é'.repeat(32)}`, /no name of a database/],
  ])('%s is refused', (line, why) => {
    expect(parseBackup(line)).toMatch(why)
  })

  test('never throws, and gives back each word as it was written', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseBackup(text)))
    const word = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !/["'\p{Cc}/]|^[-~]|^\.*$/u.test(text))
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), fc.constantFrom('"', "'"), (words, mark) => {
        const line = `tar: ${words.map((text) => mark + text + mark).join(' ')} keep=2`
        expect(parseBackup(line)).toEqual({ kind: 'tar', of: words, keep: 2, as: '' })
      }),
    )
  })
})

describe('what is backed up', () => {
  test('has a folder of its own, which stays when only the options change', () => {
    const [one, two, three] = unitsOf(['tar: data "a b" keep=2', 'postgres: shop'], '/srv/app')
    expect([one, two, three]).toMatchObject([
      { of: '/srv/app/data', folder: expect.stringMatching(/^tar-data-[0-9a-f]{8}$/), keep: 2 },
      { of: '/srv/app/a b', folder: expect.stringMatching(/^tar-a-b-[0-9a-f]{8}$/) },
      { of: 'shop', folder: expect.stringMatching(/^postgres-shop-[0-9a-f]{8}$/) },
    ])
    expect(unitsOf(['tar: /srv/app/data as=x'], '/elsewhere')[0]?.folder).toBe(one?.folder)
    expect(unitsOf(['tar: data'], '/srv/other')[0]?.folder).not.toBe(one?.folder)
  })

  test('is backed up once, however often it is named', () => {
    expect(unitsOf(['tar: data data/', 'tar: ./data keep=9'], '/srv/app')).toHaveLength(1)
  })

  test.each(shells())('reaches $name word for word', async (shell) => {
    const host = new LocalHost(shell)
    const path = fc
      .string({ minLength: 1, unit: 'grapheme' })
      .filter((text) => !text.includes('\0') && !text.includes('\n'))
    await fc.assert(
      fc.asyncProperty(path, async (of) => {
        const unit = { kind: 'tar', of: `/${of}`, as: 'me', keep: 7, folder: 'tar-x' } as const
        const { text } = await host.run(`${unitsScript([unit])}say() { printf '%s\\n' "$@" >&3; }\nhd_units say`)
        expect(text).toBe(`0\ntar\n/${of}\nme\ntar-x\ntar.gz\n7\n`)
      }),
      { numRuns: 30 },
    )
  })
})
