import { Marked, Renderer, type Tokens } from 'marked'
import { drawGantt, escaped } from './chart.ts'

/** The elements that a summary may bring along as HTML; of what GitHub lets through, only what this action uses. */
const allowed = /^<(?:\/?(?:details|summary|code|br)|details open)>$/

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => text.replace(/<[^>]*>?/g, (tag) => (allowed.test(tag) ? tag : escaped(tag))),
    blockquote({ text }) {
      const [, mood, rest = ''] = /^\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\s*\n(.*)$/s.exec(text) ?? []
      if (mood === undefined) return false
      const title = `${mood.charAt(0)}${mood.slice(1).toLowerCase()}`
      return `<div class="alert ${title.toLowerCase()}"><p class="mood">${title}</p>\n${toHtml(rest)}</div>\n`
    },
    code({ lang, text }) {
      if (lang === 'mermaid') return drawGantt(text) ?? false
      return lang === 'diff' ? `<pre><code>${diff(text)}</code></pre>\n` : false
    },
    table(token: Tokens.Table) {
      return `<div class="wide">${Renderer.prototype.table.call(this, token)}</div>\n`
    },
  },
})

/** GitHub Flavored Markdown as GitHub shows it, with its alerts. */
export function toHtml(markdown: string): string {
  return marked.parse(markdown, { async: false })
}

function diff(text: string): string {
  const kinds: Record<string, string> = { '+': 'added', '-': 'removed', '!': 'changed' }
  const lines = text.split('\n').map((line) => {
    const kind = kinds[line[0] ?? '']
    return kind ? `<span class="${kind}">${escaped(line)}</span>` : escaped(line)
  })
  return lines.join('\n')
}
