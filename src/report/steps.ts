import type { StepRecord } from './report.ts'

interface OpenStep {
  readonly name: string
  readonly startedMs: number
  note: string
  ended?: { readonly durationMs: number; readonly result: StepRecord['result'] }
}

/** What a step can say about itself while it runs. */
export interface StepNote {
  /** A few words for the table: `12 files, 40 KiB`. */
  note(text: string): void
  skip(why: string): void
}

/** The steps of a run in the order they began; one may hold others. */
export class StepList {
  readonly #elapsed: () => number
  readonly #steps: OpenStep[] = []
  readonly #open: OpenStep[] = []
  #failed = ''

  constructor(elapsed: () => number) {
    this.#elapsed = elapsed
  }

  /** Where things went wrong, or else where they stand. */
  get place(): string {
    return this.#failed || (this.#open.at(-1)?.name ?? '')
  }

  /** The next failure is another one. */
  forget(): void {
    this.#failed = ''
  }

  /** One row of the table. What is thrown goes on its way; the innermost step is remembered as the place. */
  async run<T>(name: string, work: (step: StepNote) => Promise<T>): Promise<T> {
    const step: OpenStep = { name, startedMs: this.#elapsed(), note: '' }
    let result: StepRecord['result'] = 'ok'
    this.#steps.push(step)
    this.#open.push(step)
    try {
      return await work({
        note: (text) => {
          step.note = text
        },
        skip: (why) => {
          step.note = why
          result = 'skipped'
        },
      })
    } catch (thrown) {
      result = 'failed'
      this.#failed ||= name
      throw thrown
    } finally {
      step.ended = { durationMs: this.#elapsed() - step.startedMs, result }
      this.#open.splice(this.#open.indexOf(step), 1)
    }
  }

  /** At any moment: what still runs counts as interrupted. */
  records(): StepRecord[] {
    return this.#steps.map((step) => this.#close(step))
  }

  #close({ name, startedMs, note, ended }: OpenStep): StepRecord {
    if (ended) return { name, startedMs, ...ended, note }
    return { name, startedMs, durationMs: this.#elapsed() - startedMs, result: 'failed', note: note || 'interrupted' }
  }
}
