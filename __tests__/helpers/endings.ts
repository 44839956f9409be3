import { signal } from './processes.ts'
import { type ActionRun, type RunOptions, type RunResult, startAction } from './run-action.ts'

/**
 * How a run can be ended from outside: at every step, at three moments of it, in every way that GitHub knows. It sends
 * the same signals for a cancelled job and for a step that is out of time.
 */
export const moments = ['as it begins', 'in its middle', 'when it has ended'] as const
export type Moment = (typeof moments)[number]

export const ways = {
  'the job is cancelled': (run) => run.cancel(),
  'a lone SIGTERM': (run) => run.kill('SIGTERM'),
  // Post runs.
  'main is killed': (run) => void signal(run.pid as number, 'SIGKILL'),
  // No post, and nothing else of the run.
  'the machine is lost': (run) => run.kill('SIGKILL'),
  // It hears neither SIGINT nor SIGTERM: ten seconds later it is killed, and post runs.
  'out of time, and it hangs': (run) => {
    signal(run.pid as number, 'SIGSTOP')
    run.cancel()
  },
} as const satisfies Record<string, (run: ActionRun) => void>
export type Way = keyof typeof ways

/** The last of them has no group in the log: what comes behind the last group. */
export const releasing = 'Release the lock'

/** The steps as a log names them, without the hosts that some of them name, and how long each took. */
export class Steps {
  readonly took = new Map<string, number>()
  #open: string | undefined
  #since = performance.now()
  #releasing = false

  /** Each line as it comes. Says what begins or ends with it. */
  read(line: string): { begins?: string; ends?: string } {
    const name = /^::group::(.*)$/.exec(line)?.[1]?.replace(/^(Connect) to .*/, '$1')
    if (name !== undefined) {
      this.#open = name
      this.#since = performance.now()
      return { begins: name }
    }
    const ends = this.#open ?? (this.#releasing ? releasing : undefined)
    if (ends === undefined || (this.#open !== undefined && line !== '::endgroup::')) return {}
    const now = performance.now()
    this.took.set(ends, now - this.#since)
    this.#since = now
    this.#releasing = this.#open !== undefined && ends === lastStep
    this.#open = undefined
    return this.#releasing ? { ends, begins: releasing } : { ends }
  }
}

/** The deploys of these tests have all the steps there are, and this one is their last. */
const lastStep = 'After'

export interface Ending {
  readonly step: string
  readonly moment: Moment
  readonly way: Way
}

/** Runs the action until the moment has come, and ends it. `middleMs` is how far it is from the beginning to the middle. */
export function ended(options: RunOptions, { step, moment, way }: Ending, middleMs: number): Promise<RunResult> {
  const steps = new Steps()
  const end = ways[way]
  let over = false
  const run = startAction({
    ...options,
    onLine: (line) => {
      const { begins, ends } = steps.read(line)
      if (over) return
      if (moment === 'when it has ended' ? ends !== step : begins !== step) return
      over = true
      if (moment === 'in its middle') setTimeout(() => end(run), middleMs)
      else end(run)
    },
  })
  return run.finished.then((result) => {
    if (!over) throw new Error(`the run never came to ${step}:\n${result.maskedLog}`)
    return result
  })
}

/** Every ending, or with `share` each so-many-th: of every step, moment and way some. */
export function endings(steps: readonly string[], share = 1): Ending[] {
  const all = steps.flatMap((step, at) =>
    moments.flatMap((moment, nth) =>
      Object.keys(ways).map((way, index) => ({ step, moment, way: way as Way, turn: at + nth + index })),
    ),
  )
  return all.filter(({ turn }) => turn % share === 0).map(({ step, moment, way }) => ({ step, moment, way }))
}
