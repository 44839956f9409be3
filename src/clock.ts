import { setTimeout as wait } from 'node:timers/promises'

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** `90s`, `5m`, `1h30m`, `500ms` in milliseconds; undefined when it is none of these. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * units[unit as keyof typeof units]
  }
  return Math.round(total)
}

/** Milliseconds as a person would say them: `840 ms`, `12.3 s`, `2 m 05 s`. */
export function humanDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`
  return `${Math.floor(seconds / 3_600)} h ${String(Math.floor((seconds % 3_600) / 60)).padStart(2, '0')} m`
}

/** Ends early, by throwing, when the signal aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, signal ? { signal } : {})
  } catch (error) {
    signal?.throwIfAborted() // Its reason says why; the error of the timer does not.
    throw error
  }
}

/** A point in time after which something is late. */
export class Deadline {
  readonly #at: number

  constructor(ms: number) {
    this.#at = performance.now() + ms
  }

  get left(): number {
    return Math.max(0, this.#at - performance.now())
  }

  get passed(): boolean {
    return this.left === 0
  }
}
