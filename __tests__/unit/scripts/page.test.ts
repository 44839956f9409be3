import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseBlocks, parseInline } from '../../../scripts/demo/markdown.ts'
import { showLog, showSummary } from '../../../scripts/demo/terminal.ts'
import { renderPage } from '../../../scripts/page.ts'

const summaries = ['deployed', 'rolled-back', 'rollback-failed'].map((name) => ({
  name,
  markdown: readFileSync(new URL(`../report/snapshots/${name}.md`, import.meta.url), 'utf8'),
}))
const bodyOf = (markdown: string) => renderPage('x', [{ title: 'x', markdown }]).split('<div class="body">')[1] ?? ''

describe('the page of summaries', () => {
  test.each(summaries)('$name: nothing of the Markdown is left, and every element is closed', ({ markdown }) => {
    const html = renderPage('Title', [{ title: 'Part', markdown }])
    const text = html.replace(/<style>.*<\/style>|<pre>.*?<\/pre>|<code>.*?<\/code>/gs, '').replace(/<[^>]*>/g, '')
    expect(text).not.toMatch(/\*\*|`|^#+ |\[!|\]\(|^\||^>/m)
    const count = (pattern: RegExp) => html.match(pattern)?.length ?? 0
    for (const name of ['details', 'summary', 'table', 'tr', 'td', 'pre', 'p', 'ul', 'li', 'div', 'a', 'code'])
      expect([name, count(new RegExp(`<${name}[ >]`, 'g'))]).toEqual([name, count(new RegExp(`</${name}>`, 'g'))])
  })

  test('needs nothing from elsewhere', () => {
    expect(
      renderPage(
        'x',
        summaries.map(({ name, markdown }) => ({ title: name, markdown })),
      ),
    ).not.toMatch(/<(script|link|img|iframe)|@import|url\(/)
  })

  test('text stays text', () => {
    const hostile = '&#60;script&#62; <b>x</b> `<i>` [a](javascript:x)'
    expect(bodyOf(hostile)).toContain(
      '<p>&lt;script&gt; &lt;b&gt;x&lt;/b&gt; <code>&lt;i&gt;</code> [a](javascript:x)</p>',
    )
  })

  test('a fence shows what looks like the end of its details', () => {
    const [block] = parseBlocks('<details>\n<summary>t</summary>\n\n````text\n</details>\n```\n````\n\n</details>\n')
    expect(block).toEqual({
      kind: 'details',
      title: 't',
      blocks: [{ kind: 'fence', language: 'text', text: '</details>\n```' }],
    })
  })
})

test('a link may hold code, and code any sign', () => {
  expect(parseInline('to [`a[1]`](https://x/y) <code>&#124;</code>')).toEqual([
    { kind: 'text', text: 'to ' },
    { kind: 'link', parts: [{ kind: 'code', text: 'a[1]' }], href: 'https://x/y' },
    { kind: 'text', text: ' ' },
    { kind: 'code', text: '|' },
  ])
})

describe('in a terminal', () => {
  test.each(summaries)('$name: the summary is text', ({ markdown }) => {
    expect(showSummary(markdown)).not.toMatch(/<\/?(details|summary|code|br)>|&#\d+;|\*\*/)
  })

  test('the log is grouped', () => {
    const log = showLog('##[group]Connect\nHost key x\n##[endgroup]\n##[error]It failed.\nWhy: so\n')
    expect(log.split('\n')).toEqual([...['  ▾ Connect', '    Host key x', '  Error: It failed.', '  Why: so']])
  })
})
