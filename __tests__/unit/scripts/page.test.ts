import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { logView, showSummary } from '../../../scripts/demo/terminal.ts'
import { toHtml } from '../../../scripts/page/markdown.ts'
import { renderPage } from '../../../scripts/page.ts'

const summaries = ['deployed', 'rolled-back', 'rollback-failed'].map((name) => ({
  name,
  markdown: readFileSync(new URL(`../report/snapshots/${name}.md`, import.meta.url), 'utf8'),
}))

describe('the page of summaries', () => {
  test.each(summaries)('$name: nothing of the Markdown is left', ({ markdown }) => {
    const html = renderPage('Title', [{ title: 'Part', markdown }])
    const text = html.replace(/<style>.*<\/style>|<pre>.*?<\/pre>|<code>.*?<\/code>/gs, '').replace(/<[^>]*>/g, '')
    expect(text).not.toMatch(/\*\*|`|^#+ |\[!|\]\(|^\||^>/m)
    expect(html).toContain('<svg ')
  })

  test('needs nothing from elsewhere', () => {
    const parts = summaries.map(({ name, markdown }) => ({ title: name, markdown }))
    expect(renderPage('x', parts)).not.toMatch(/<(script|link|img|iframe)|@import|url\(/)
  })

  test('is light or dark as its reader has it, or as it is told', () => {
    expect(renderPage('x', [])).not.toContain('data-theme="')
    expect(renderPage('x', [], 'dark')).toContain('<html lang="en" data-theme="dark">')
  })

  test('text stays text', () => {
    expect(toHtml('&#60;script&#62; <b onclick="x">y</b> `<i>`')).toBe(
      '<p>&lt;script&gt; &lt;b onclick=&quot;x&quot;&gt;y&lt;/b&gt; <code>&lt;i&gt;</code></p>\n',
    )
  })

  test('an alert is one of GitHub, with its mood', () => {
    expect(toHtml('> [!WARNING]\n> It **failed**.')).toBe(
      '<div class="alert warning"><p class="mood">Warning</p>\n<p>It <strong>failed</strong>.</p>\n</div>\n',
    )
  })

  test('a fence shows what looks like the end of its details', () => {
    const html = toHtml('<details>\n<summary>t</summary>\n\n````text\n</details>\n```\n````\n\n</details>\n')
    expect(html).toContain('&lt;/details&gt;\n```')
    expect(html.match(/<\/details>/g)).toHaveLength(1)
  })
})

describe('in a terminal', () => {
  test.each(summaries)('$name: the summary is text', ({ markdown }) => {
    expect(showSummary(markdown)).not.toMatch(/<\/?(details|summary|code|br)>|&#\d+;|\*\*|\]\(|gantt/)
  })

  test('what is folded is shown, below its title', () => {
    const shown = showSummary(
      '<details>\n<summary>More</summary>\n\n- [`a`](https://x/) b &#42;\n\n</details>\n\nEnd\n',
    )
    expect(shown.split('\n').slice(1, -1)).toEqual([...['  │ ▾ More', '  │ ', '  │   • a b *', '  │ ', '  │ End']])
  })

  test('the log is grouped', () => {
    const log = '##[group]Connect\nHost key x\n##[endgroup]\n##[error]It failed.\nWhy: so\n'
    expect(log.split('\n').flatMap(logView())).toEqual([
      ...['  ▾ Connect', '    Host key x', '  Error: It failed.', '  Why: so'],
    ])
  })
})
