import { humanDuration } from '../clock.ts'
import type { StepRecord } from './report.ts'
import { line } from './text.ts'

const columns = 40
const rows = 30

/**
 * The steps as bars over time. Plain characters: a Mermaid chart takes the time zone of the reader for its axis, says
 * nothing on a phone, and is one more language that a step's name could break out into.
 */
export function timeline(steps: readonly StepRecord[]): string {
  const shown = steps.slice(-rows)
  if (shown.length < 2) return ''
  const first = Math.min(...shown.map((step) => step.startedMs))
  const total = Math.max(1, ...shown.map((step) => step.startedMs + step.durationMs - first))
  const names = shown.map((step) => line(step.name, 24))
  const width = Math.max(...names.map((name) => name.length))
  const bars = shown.map((step, index) => {
    const length = Math.max(1, Math.round((step.durationMs / total) * columns))
    const start = Math.min(columns - length, Math.floor(((step.startedMs - first) / total) * columns))
    const bar = (step.result === 'skipped' ? '·' : '█').repeat(Math.min(length, columns))
    const took = humanDuration(step.durationMs).padStart(9)
    const mark = step.result === 'failed' ? ' ✗' : ''
    return `${names[index]?.padEnd(width)}  ${(' '.repeat(Math.max(0, start)) + bar).padEnd(columns)}  ${took}${mark}`
  })
  return bars.join('\n')
}
