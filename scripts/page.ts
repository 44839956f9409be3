import { type Block, type Inline, parseBlocks, parseInline } from './demo/markdown.ts'

/** One job summary, with the name that stands above it. */
export interface Part {
  readonly title: string
  readonly markdown: string
}

/** A page that needs nothing else, and looks like the one where GitHub shows the summaries of a run. */
export function renderPage(title: string, parts: readonly Part[]): string {
  const sections = parts.map(
    (part) => `<section>
<header>${escaped(part.title)}</header>
<div class="body">
${parseBlocks(part.markdown).map(blockOf).join('\n')}
</div>
</section>`,
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${css}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
${sections.join('\n')}
</main>
</body>
</html>
`
}

function blockOf(block: Block): string {
  switch (block.kind) {
    case 'heading':
      return `<h${block.level}>${textOf(block.text)}</h${block.level}>`
    case 'alert':
      return `<div class="alert ${escaped(block.mood)}"><p class="mood">${escaped(capital(block.mood))}</p><p>${textOf(block.text)}</p></div>`
    case 'paragraph':
      return `<p>${textOf(block.text)}</p>`
    case 'list':
      return `<ul>\n${block.items.map((item) => `<li>${textOf(item)}</li>`).join('\n')}\n</ul>`
    case 'table':
      return `<div class="wide"><table>\n${row('th', block.head)}\n${block.rows.map((cells) => row('td', cells)).join('\n')}\n</table></div>`
    case 'fence':
      return `<pre>${block.language === 'diff' ? diffOf(block.text) : escaped(block.text)}</pre>`
    case 'details':
      return `<details>\n<summary>${textOf(block.title)}</summary>\n${block.blocks.map(blockOf).join('\n')}\n</details>`
  }
}

function row(cell: 'th' | 'td', cells: readonly string[]): string {
  return `<tr>${cells.map((text) => `<${cell}>${textOf(text)}</${cell}>`).join('')}</tr>`
}

function diffOf(text: string): string {
  const kinds: Record<string, string> = { '+': 'added', '-': 'removed', '!': 'changed' }
  const lines = text.split('\n').map((line) => {
    const kind = kinds[line[0] ?? '']
    return kind ? `<span class="${kind}">${escaped(line)}</span>` : escaped(line)
  })
  return lines.join('\n')
}

function textOf(text: string): string {
  return parseInline(text).map(inlineOf).join('')
}

function inlineOf(inline: Inline): string {
  switch (inline.kind) {
    case 'code':
      return `<code>${escaped(inline.text)}</code>`
    case 'break':
      return '<br>'
    case 'bold':
      return `<strong>${inline.parts.map(inlineOf).join('')}</strong>`
    case 'link':
      return `<a href="${escaped(inline.href)}">${inline.parts.map(inlineOf).join('')}</a>`
    case 'text':
      return escaped(inline.text)
  }
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

const css = `
:root { color-scheme: light dark; --page: #f6f8fa; --box: #fff; --text: #1f2328; --soft: #59636e; --line: #d1d9e0;
  --code: #818b981f; --link: #0969da; --note: #0969da; --warning: #9a6700; --caution: #d1242f; --added: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --page: #010409; --box: #0d1117; --text: #f0f6fc; --soft: #9198a1; --line: #3d444d;
  --code: #656c7633; --link: #4493f8; --note: #4493f8; --warning: #d29922; --caution: #f85149; --added: #3fb950; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 14px/1.5 -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 22px; font-weight: 600; margin: 0 0 20px; }
section { background: var(--box); border: 1px solid var(--line); border-radius: 6px; margin-bottom: 20px; }
header { padding: 12px 16px; border-bottom: 1px solid var(--line); font-size: 13px; font-weight: 600; color: var(--soft); }
.body { padding: 16px 24px; overflow-wrap: break-word; }
.body > :first-child { margin-top: 0; }
.body > :last-child { margin-bottom: 0; }
h3 { font-size: 1.25em; font-weight: 600; margin: 20px 0 12px; }
h4 { font-size: 1em; font-weight: 600; margin: 20px 0 12px; }
p, ul, pre, .wide, details, .alert { margin: 0 0 14px; }
ul { padding-left: 2em; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
code, pre { font: 12px/1.45 ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
code { background: var(--code); border-radius: 6px; padding: .2em .4em; }
pre { background: var(--code); border-radius: 6px; padding: 14px; overflow: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: 6px 13px; text-align: left; }
summary { cursor: pointer; margin-bottom: 8px; }
.alert { border-left: .25em solid var(--note); padding: 4px 16px; }
.alert p { margin: 4px 0; }
.alert .mood { font-weight: 600; color: var(--note); }
.alert.warning, .alert.caution { border-color: var(--warning); }
.alert.warning .mood { color: var(--warning); }
.alert.caution { border-color: var(--caution); }
.alert.caution .mood { color: var(--caution); }
.added { color: var(--added); }
.removed { color: var(--caution); }
.changed { color: var(--warning); }
`
