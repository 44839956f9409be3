import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createContext, runInContext } from 'node:vm'
import { renderPage } from '../../scripts/page.ts'

const require = createRequire(import.meta.url)
/** Mermaid itself, of which GitHub's charts are made: one file that makes itself a global name. */
const source = readFileSync(require.resolve('@mermaid-js/tiny'), 'utf8')

interface Task {
  readonly task: string
  readonly startTime: Date
  readonly endTime: Date
  readonly crit?: boolean
  readonly done?: boolean
}
interface Mermaid {
  parse(chart: string): Promise<{ readonly diagramType: string }>
  readonly mermaidAPI: {
    getDiagramFromText(chart: string): Promise<{ readonly db: { getTasks(): Task[]; getSections(): string[] } }>
  }
}

let loaded: Mermaid | undefined

/** The bars that Mermaid reads out of a chart; throws where it finds a mistake. It needs no browser for this. */
export async function readGantt(chart: string): Promise<readonly Task[]> {
  if (loaded === undefined) {
    const context = createContext({ structuredClone, setTimeout, clearTimeout, console })
    runInContext(source, context)
    loaded = context['mermaid'] as Mermaid
  }
  const { diagramType } = await loaded.parse(chart)
  if (diagramType !== 'gantt') throw new Error(`a chart of the kind ${diagramType}`)
  const { db } = await loaded.mermaidAPI.getDiagramFromText(chart)
  return db.getTasks()
}

/** The charts of a page, as they are written there. */
export function chartsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^```mermaid\n([\s\S]*?)\n```$/gm)].map(([, chart = '']) => chart)
}

/** The page of a summary with its charts as Mermaid draws them, in the place of our own drawings or of their text. */
export function summaryPage(title: string, markdown: string, theme: 'light' | 'dark'): string {
  const page = renderPage('', [{ title, markdown }], theme)
  const charts = chartsOf(markdown)
  const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const shown = page.replace(
    /<div class="chart">[\s\S]*?<\/div>|<pre><code class="language-mermaid">[\s\S]*?<\/pre>/g,
    () => `<div class="mermaid">${escaped(charts.shift() ?? '')}</div>`,
  )
  const draw = `mermaid.initialize({ startOnLoad: false, theme: '${theme === 'dark' ? 'dark' : 'default'}' })
globalThis.drawn = mermaid.run({ querySelector: '.mermaid', suppressErrors: false })`
  const scripts = [source, draw].map((script) => `<script>${script.replaceAll('</script', '<\\/script')}</script>`)
  // A function, since the text of Mermaid is full of what `replace` would take for its own signs.
  return shown.replace('</body>', () => `${scripts.join('\n')}</body>`)
}
