/** The Markdown that job summaries of this action are written in, as blocks; not Markdown in general. */
export type Block =
  | { readonly kind: 'heading'; readonly level: number; readonly text: string }
  | { readonly kind: 'alert'; readonly mood: string; readonly text: string }
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'table'; readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] }
  | { readonly kind: 'fence'; readonly language: string; readonly text: string }
  | { readonly kind: 'details'; readonly title: string; readonly blocks: readonly Block[] }

export function parseBlocks(text: string): Block[] {
  const lines = text.split('\n')
  const blocks: Block[] = []
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] as string
    if (line.trim() === '') at += 1
    else {
      const [block, used] = readBlock(line, lines.slice(at))
      blocks.push(block)
      at += used
    }
  }
  return blocks
}

/** The block that begins here, and how many lines it has. */
function readBlock(line: string, lines: readonly string[]): [Block, number] {
  const heading = /^(#{1,6}) (.*)$/.exec(line)
  if (heading) return [{ kind: 'heading', level: heading[1]?.length ?? 1, text: heading[2] ?? '' }, 1]
  const mark = /^(`{3,})(\w*)$/.exec(line)
  if (mark) {
    const end = lines.indexOf(mark[1] ?? '', 1)
    const last = end < 0 ? lines.length : end
    return [{ kind: 'fence', language: mark[2] ?? '', text: lines.slice(1, last).join('\n') }, last + 1]
  }
  if (line === '<details>') return readDetails(lines)
  const rows = lines.slice(
    0,
    whileTrue(lines, (each) => each.startsWith('|')),
  )
  if (rows.length > 1) {
    const [head = [], , ...body] = rows.map(cells)
    return [{ kind: 'table', head, rows: body }, rows.length]
  }
  const items = whileTrue(lines, (each) => each.startsWith('- '))
  if (items > 0) return [{ kind: 'list', items: lines.slice(0, items).map((each) => each.slice(2)) }, items]
  const quoted = whileTrue(lines, (each) => each.startsWith('> '))
  const mood = /^> \[!(\w+)\]$/.exec(line)?.[1]
  if (mood) {
    const text = lines.slice(1, quoted).map((each) => each.slice(2))
    return [{ kind: 'alert', mood: mood.toLowerCase(), text: text.join(' ') }, quoted]
  }
  const length = Math.max(
    1,
    whileTrue(lines, (each) => each.trim() !== '' && !/^(#{1,6} |`{3}|<details>|\||- )/.test(each)),
  )
  return [{ kind: 'paragraph', text: lines.slice(0, length).join('\n') }, length]
}

function readDetails(lines: readonly string[]): [Block, number] {
  // A fence inside may show anything, so the end is looked for outside of fences.
  let fence = ''
  const end = lines.findIndex((line) => {
    if (fence === '') fence = /^`{3,}/.exec(line)?.[0] ?? ''
    else if (line === fence) fence = ''
    return fence === '' && line === '</details>'
  })
  const inside = lines.slice(1, end < 0 ? lines.length : end)
  const title = /^<summary>(.*)<\/summary>$/.exec(inside[0] ?? '')?.[1] ?? ''
  return [{ kind: 'details', title, blocks: parseBlocks(inside.slice(1).join('\n')) }, inside.length + 2]
}

function whileTrue(lines: readonly string[], test: (line: string) => boolean): number {
  const end = lines.findIndex((line) => !test(line))
  return end < 0 ? lines.length : end
}

function cells(row: string): string[] {
  return row
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => cell.trim())
}

export type Inline =
  | { readonly kind: 'text' | 'code' | 'break'; readonly text: string }
  | { readonly kind: 'bold'; readonly parts: readonly Inline[] }
  | { readonly kind: 'link'; readonly parts: readonly Inline[]; readonly href: string }

const piece = /(`[^`]+`|<code>.*?<\/code>|<br>|\*\*[^*]+\*\*|\[(?:[^[\]]|`[^`]*`)*\]\(https?:[^()\s]+\))/s

/** A text as it is to be read: every character reference is resolved. */
export function parseInline(text: string): Inline[] {
  return text.split(piece).flatMap((part, index): Inline[] => {
    if (part === '') return []
    if (index % 2 === 0) return [{ kind: 'text', text: resolve(part) }]
    if (part === '<br>') return [{ kind: 'break', text: '\n' }]
    if (part.startsWith('`')) return [{ kind: 'code', text: part.slice(1, -1) }]
    if (part.startsWith('<code>')) return [{ kind: 'code', text: resolve(part.slice(6, -7)) }]
    if (part.startsWith('**')) return [{ kind: 'bold', parts: parseInline(part.slice(2, -2)) }]
    const [, label = '', href = ''] = /^\[(.*)\]\((.*)\)$/s.exec(part) ?? []
    return [{ kind: 'link', parts: parseInline(label), href: resolve(href) }]
  })
}

/** Also without the zero-width spaces that keep names from being notified. */
function resolve(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('\u200b', '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}
