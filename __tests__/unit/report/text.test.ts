import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { code, details, fence, link, paragraphs, plain, prose, table } from '../../../src/report/markdown.ts'
import { clean, count, cut, defuse, humanBytes, line, tail } from '../../../src/report/text.ts'

const nasty = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '`',
      '``',
      '|',
      '\\',
      '<',
      '>',
      '&',
      '@',
      '*',
      '_',
      '[',
      ']',
      '(',
      ')',
      '#',
      ':',
      '::',
      '##[',
      '$',
      '~',
    ),
    fc.constantFrom(
      '\n',
      '\r',
      '\t',
      '\u001b[31m',
      '\u001b]0;',
      '\u0007',
      '\u2028',
      '\u202e',
      '\u200b',
      '\u200d',
      '\0',
      '\ud800',
    ),
    fc.constantFrom(
      '<script>',
      '</details>',
      '@me',
      'www.',
      'https://a.b/',
      '-->',
      '```',
      '%0A',
      '{{',
      'error',
      '- ',
      '1. ',
    ),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }),
  ),
})

describe('clean', () => {
  test.each([
    ['colours', '\u001b[1;31mred\u001b[0m', 'red'],
    ['cursor movement', 'a\u001b[2Kb\u001b[1Ac', 'abc'],
    ['titles and links', '\u001b]0;title\u0007x\u001b]8;;http://a\u001b\\y\u001b]8;;\u001b\\', 'xy'],
    ['an escape that never ends', 'a\u001b]0;rest\nb', 'a\nb'],
    ['8-bit escapes', '\u009b31mred', 'red'],
    ['bidi overrides and zero width', 'a\u202eb\u200bc\ufeffd\u{e0041}e', 'abcde'],
    ['line ends of all kinds', 'a\r\nb\rc\u2028d\u0085e', 'a\nb\nc\nd\ne'],
    ['half a character', 'a\ud800b', 'a\ufffdb'],
    ['what is fine', 'ä\tб 漢 👩‍👩‍👧', 'ä\tб 漢 👩‍👩‍👧'],
  ])('%s', (_, text, expected) => {
    expect(clean(text)).toBe(expected)
  })

  it('leaves nothing to clean', () => {
    fc.assert(fc.property(nasty, (text) => clean(clean(text)) === clean(text)))
  })
})

describe('defuse', () => {
  const command = (text: string) => /^\s*::/.test(text) || text.includes('##[')
  test.each([
    ['::error::x', '│ ::error::x'],
    ['  ::add-mask::x', '│   ::add-mask::x'],
    ['a ##[error]b', 'a ## [error]b'],
    ['###[group]', '### [group]'],
    ['#\u200d#\u200d[group]', '#\u200d# \u200d[group]'],
    ['\u200d::error::', '│ \u200d::error::'],
    ['#[derive(Debug)]', '#[derive(Debug)]'],
    ['a::b', 'a::b'],
  ])('%j becomes %j', (text, expected) => {
    expect(defuse(text)).toBe(expected)
  })

  it('never gives a command', () => {
    fc.assert(fc.property(nasty, (text) => text.split(/[\r\n]/).every((each) => !command(defuse(each)))))
  })
})

describe('tail', () => {
  test.each([
    ['all', 'a\nb\n', 100, 'a\nb', 0],
    ['the end', '1\n2\n3\n4', 4, '3\n4', 2],
    ['whole lines only', 'password=hunter2\nend', 8, 'end', 1],
    ['what a progress bar ended with', '10%\r50%\r100%\r\nok', 100, '100%\nok', 0],
    ['nothing', '', 100, '', 0],
  ])('keeps %s', (_, text, limit, shown, dropped) => {
    expect(tail(text, limit)).toEqual({ text: shown, dropped })
  })

  it('is quick with what nobody would write', () => {
    const began = performance.now()
    for (const text of ['\r'.repeat(3e6), '\n'.repeat(3e6), '`'.repeat(3e6), '\u001b]'.repeat(1e6), ' '.repeat(3e6)]) {
      fence(tail(text, 65_536).text)
      line(text)
    }
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})

describe('markdown', () => {
  test.each([
    ['plain', plain('<b>*x*</b> | `y`'), '&#60;b&#62;&#42;x&#42;&#60;/b&#62; &#124; &#96;y&#96;'],
    ['no ping', plain('thanks @octocat'), 'thanks @\u200boctocat'],
    ['no heading, no list', plain('# x'), '&#35; x'],
    ['no numbered list', plain('1. x'), '&#49;. x'],
    ['a number stays', plain('1.5 s'), '1.5 s'],
    ['code', code('a b'), '`a b`'],
    ['code with a backtick and a pipe', code('a`|b'), '<code>a&#96;&#124;b</code>'],
    [
      'prose',
      prose('Run `a|b` at https://x.y/z_1. *Now*'),
      'Run <code>a&#124;b</code> at [https&#58;//x.y/z_1](https://x.y/z_1). &#42;Now&#42;',
    ],
    ['prose with one backtick', prose('a ` b'), 'a &#96; b'],
    ['link', link('x', 'https://a.b/c(d)|"<e>'), '[x](https://a.b/c%28d%29%7C%22%3Ce%3E)'],
    ['a link that runs something', link('x', 'javascript:alert(1)'), 'x'],
    ['a link with a password', link('x', 'https://a:b@c.d/'), 'x'],
    ['fence', fence('a\n````\nb'), '`````text\na\n````\nb\n`````'],
    ['details', details('t', 'b'), '<details>\n<summary>t</summary>\n\nb\n\n</details>'],
    ['table', table(['a', 'b'], [['1', '2']]), '| a | b |\n| --- | --- |\n| 1 | 2 |'],
    [
      'paragraphs',
      paragraphs('Two problems:\n- `a`\n- b\nThat is all.\nReally.'),
      'Two problems:\n\n- `a`\n- b\n\nThat is all.<br>\nReally.',
    ],
  ])('%s', (_, given, expected) => {
    expect(given).toBe(expected)
  })

  it('lets no text out of its place', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        for (const shown of [plain(text), code(text), prose(text)]) {
          expect(shown).not.toMatch(/[\n\r|\p{Cc}\u202e]|<(?!\/?code>)/u)
        }
        expect(plain(text)).not.toMatch(/@[a-z0-9]/i)
        const fenced = fence(text)
        const mark = /^`+/.exec(fenced)?.[0] ?? ''
        expect(fenced.split('\n').filter((each) => each.trim().startsWith(mark))).toHaveLength(2)
      }),
      { numRuns: 500 },
    )
  })
})

test.each([
  [cut('abcdef', 4), 'abc…'],
  [cut('abcd', 4), 'abcd'],
  [cut('ab😀d', 4), 'ab…'],
  [count(1, 'file'), '1 file'],
  [count(0, 'file'), '0 files'],
  [humanBytes(0), '0 B'],
  [humanBytes(41_000), '40.0 KiB'],
  [humanBytes(5e9), '4.7 GiB'],
  [humanBytes(900 * 1_024), '900 KiB'],
])('%j is %j', (given, expected) => {
  expect(given).toBe(expected)
})
