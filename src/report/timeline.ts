import { humanDuration } from '../clock.ts'
import type { StepRecord } from './report.ts'
import { line } from './text.ts'

/** GitHub draws no chart of more than some 50,000 characters, older ones none of more than 5,000; nobody reads more rows. */
const rows = 30
const second = 1_000
const minute = 60 * second
/** How far apart the marks of the axis may be, and how they are written. */
const scales: readonly (readonly [number, string, string])[] = [
  [100, '100millisecond', '%-S.%L s'],
  [500, '500millisecond', '%-S.%L s'],
  [second, '1second', '%-S s'],
  [2 * second, '2second', '%-S s'],
  [5 * second, '5second', '%-S s'],
  [15 * second, '15second', '%M:%S'],
  [minute, '1minute', '%M:%S'],
  [5 * minute, '5minute', '%H:%M:%S'],
  [30 * minute, '30minute', '%H:%M'],
  [180 * minute, '3hour', '%H:%M'],
]

/**
 * The steps over time, as Mermaid has it. Time is counted from an hour in which no clock was ever changed, and is read
 * and shown without a time zone: the reader's own has no part in it. Empty where there is nothing to compare.
 */
export function timeline(steps: readonly StepRecord[]): string {
  const shown = steps.slice(-rows)
  if (shown.length < 2) return ''
  const first = Math.min(...shown.map((step) => step.startedMs))
  const total = Math.max(1, ...shown.map((step) => step.startedMs + step.durationMs - first))
  const [, every, format] = scales.find(([ms]) => total / ms <= 12) ?? [0, '1day', '%d']
  const bars = shown.map((step) => {
    // A step of no time at all is to be seen all the same.
    const length = Math.max(Math.round(step.durationMs), Math.ceil(total / 250))
    return `  ${label(step)} :${kinds[step.result]}${clock(step.startedMs - first)}, ${length}ms`
  })
  const head = [
    'dateFormat YYYY-MM-DD HH:mm:ss.SSS',
    `axisFormat ${format}`,
    `tickInterval ${every}`,
    'todayMarker off',
  ]
  return ['gantt', ...head.map((each) => `  ${each}`), ...bars].join('\n')
}

const kinds = { ok: '', failed: 'crit, ', skipped: 'done, ' } as const
const marks = { ok: '✓', failed: '✗', skipped: '–' } as const

/** Begins with a sign that begins no keyword, and holds none that ends a label: a colon, a hash, a semicolon, a percent sign. */
function label({ name, result, durationMs }: StepRecord): string {
  const words = line(name, 200)
    .replace(/[^\p{L}\p{N} .,()@/_-]+/gu, ' ')
    .trim()
  return `${marks[result]} ${line(words, 48)} (${humanDuration(durationMs)})`
}

function clock(ms: number): string {
  return new Date(Date.UTC(2000, 0, 1) + Math.round(ms)).toISOString().replace('T', ' ').replace('Z', '')
}
