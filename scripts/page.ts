import { escaped } from './page/chart.ts'
import { toHtml } from './page/markdown.ts'
import { style } from './page/style.ts'

/** One job summary, with the name that stands above it. */
export interface Part {
  readonly title: string
  readonly markdown: string
}

/** A page that needs nothing else, and looks like the one where GitHub shows the summaries of a run. */
export function renderPage(title: string, parts: readonly Part[], theme?: 'light' | 'dark'): string {
  const sections = parts.map(
    (part) => `<section>
<header>${escaped(part.title)} <small>summary</small></header>
<div class="body">
${toHtml(part.markdown)}
</div>
</section>`,
  )
  return `<!doctype html>
<html lang="en"${theme ? ` data-theme="${theme}"` : ''}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${title === '' ? '' : `<h1>${escaped(title)}</h1>\n`}${sections.join('\n')}
</main>
</body>
</html>
`
}
