import type { Log } from '../log.ts'
import type { Recorder, StepNote } from '../report/recorder.ts'
import type { Plan } from './plan.ts'

/** What every part of a run can see. */
export interface Context {
  readonly plan: Plan
  readonly log: Log
  readonly recorder: Recorder
  /** Aborts, with Cancelled as its reason, when GitHub wants the step to end. */
  readonly signal: AbortSignal
  /** One sentence in the code, one log group, one row in the summary. */
  step<T>(name: string, work: (note: StepNote) => Promise<T>): Promise<T>
  /** Lines about something long, at a rate that a person can read. */
  progress(text: string): void
  /** For `post`, should this process end before it is done: the release that a host is at, or none any more. */
  remember(host: string, id: string): void
}
