import { humanDuration } from '../clock.ts'

const soonest = 2_000
const latest = 15_000
const silence = 30_000

/**
 * Lets the latest news of something long through at a rate a person can read: every other second at first, less often
 * the longer it takes. What is over within that time needs no news.
 */
export class Progress {
  readonly #print: (text: string) => void
  readonly #now: () => number
  #beganAt: number
  #printedAt: number
  #waiting: string | undefined
  #latest = ''
  #spoke = false

  constructor(print: (text: string) => void, now: () => number = () => performance.now()) {
    this.#print = print
    this.#now = now
    this.#beganAt = now()
    this.#printedAt = this.#beganAt
  }

  /** Something else begins. */
  begin(): void {
    this.#beganAt = this.#now()
    this.#printedAt = this.#beganAt
    this.#waiting = undefined
    this.#spoke = false
  }

  /** Printed now, or replaced by the next one, or printed by `done`. */
  update(text: string): void {
    if (text === this.#latest) return
    this.#latest = text
    this.#waiting = text
    const now = this.#now()
    const every = Math.min(latest, Math.max(soonest, (now - this.#beganAt) / 10))
    if (now - this.#printedAt >= every) this.#speak()
  }

  /** A sign of life, where neither this nor anything else has said a word: `Build: 1 m 30 s so far`. */
  pulse(name: string, heardAt: number): void {
    const now = this.#now()
    if (now - Math.max(heardAt, this.#beganAt, this.#printedAt) < silence) return
    this.#waiting = `${name}: ${humanDuration(now - this.#beganAt)} so far`
    this.#speak()
  }

  /** Whoever has begun to tell has the last word as well. */
  done(): void {
    if (this.#spoke) this.#speak()
    this.#waiting = undefined
  }

  #speak(): void {
    if (this.#waiting === undefined) return
    this.#print(this.#waiting)
    this.#printedAt = this.#now()
    this.#waiting = undefined
    this.#spoke = true
  }
}
