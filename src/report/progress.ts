/** Lets the latest news of something long through at a rate a person can read. */
export class Progress {
  readonly #print: (text: string) => void
  readonly #now: () => number
  readonly #every: number
  #printedAt = Number.NEGATIVE_INFINITY
  #waiting: string | undefined
  #latest = ''

  constructor(print: (text: string) => void, now: () => number = () => performance.now(), every = 2_000) {
    this.#print = print
    this.#now = now
    this.#every = every
  }

  /** Printed now, or replaced by the next one, or printed by `done`: the last word is never lost. */
  update(text: string): void {
    if (text === this.#latest) return
    this.#latest = text
    const now = this.#now()
    if (now - this.#printedAt < this.#every) {
      this.#waiting = text
      return
    }
    this.#printedAt = now
    this.#waiting = undefined
    this.#print(text)
  }

  done(): void {
    if (this.#waiting !== undefined) this.#print(this.#waiting)
    this.#waiting = undefined
  }
}
