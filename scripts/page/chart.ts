/** A bar of a Gantt chart, in milliseconds since its beginning. */
interface Bar {
  readonly label: string
  readonly kind: 'ok' | 'done' | 'crit'
  readonly from: number
  readonly length: number
}

/**
 * What stands in these pages for the picture that GitHub makes with Mermaid: the same bars, drawn without its megabytes.
 * It knows the lines that the summary writes, and nothing else of that language.
 */
export function drawGantt(source: string): string | undefined {
  if (!source.startsWith('gantt\n')) return undefined
  const bars = [
    ...source.matchAll(/^ +([^:\n]+?) *:(?:(done|crit), )?[\d-]+ (\d\d):(\d\d):(\d\d)\.(\d{3}), (\d+)ms$/gm),
  ].map(
    ([, label = '', kind = 'ok', hours, minutes, seconds, ms, length]): Bar => ({
      label,
      kind: kind as Bar['kind'],
      length: Number(length),
      from: ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000 + Number(ms),
    }),
  )
  const total = Math.max(1, ...bars.map(({ from, length }) => from + length))
  const [width, row, left, right] = [940, 24, 10, 10]
  const at = (ms: number): number => left + (ms / total) * (width - left - right)
  const height = bars.length * row + 24
  const ticks = Array.from({ length: 6 }, (_, index) => (total * index) / 5)
  const grid = ticks.map(
    (ms) => `<line x1="${at(ms)}" x2="${at(ms)}" y1="0" y2="${height - 20}"/>
<text class="tick" x="${at(ms)}" y="${height - 5}" text-anchor="${anchor(ms, total)}">${(ms / 1_000).toFixed(total < 10_000 ? 1 : 0)} s</text>`,
  )
  const rows = bars.map(({ label, kind, from, length }, index) => {
    const [x, end, y] = [at(from), at(from + length), index * row]
    const wide = Math.max(3, end - x)
    // In the bar where there is room, else beside it: Mermaid does the same.
    const inside = wide > label.length * 6.5
    const [tx, side] = inside ? [x + wide / 2, 'middle'] : end > width * 0.6 ? [x - 6, 'end'] : [x + wide + 6, 'start']
    return `<rect class="${kind}" x="${x}" y="${y + 3}" width="${wide}" height="${row - 8}" rx="3"/>
<text${inside ? ' class="in"' : ''} x="${tx}" y="${y + 15}" text-anchor="${side}">${escaped(label)}</text>`
  })
  return `<div class="chart"><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Timeline">
${[...grid, ...rows].join('\n')}
</svg></div>`
}

function anchor(ms: number, total: number): string {
  if (ms === 0) return 'start'
  return ms === total ? 'end' : 'middle'
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
