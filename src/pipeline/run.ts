import { DeployError } from '../errors.ts'
import { ownNetwork } from '../remote/network.ts'
import type { Recorder } from '../report/recorder.ts'
import type { Result } from '../report/report.ts'
import type { Sink } from '../report/sink.ts'
import type { Context, Runner } from './context.ts'
import { deploy } from './deploy.ts'
import type { Mode, Plan } from './plan.ts'
import { planMode } from './plan-mode.ts'
import { statusMode } from './status-mode.ts'

function storyOf(mode: Mode): (context: Context) => Promise<Result> {
  if (mode === 'plan') return planMode
  return mode === 'status' ? statusMode : deploy
}

/** One run from plan to result: what happens outside of the story, such as groups and the last word. */
export async function run(plan: Plan, recorder: Recorder, sink: Sink, runner: Runner): Promise<Result> {
  const progress = sink.progress('progress')
  let told: unknown
  const context: Context = {
    ...runner,
    plan,
    recorder,
    log: sink,
    network: ownNetwork,
    progress: (text) => progress.update(text),
    step: (name, work) =>
      sink.group(name, async () => {
        progress.begin()
        using _ = pulse(() => progress.pulse(name, sink.printedAt))
        try {
          return await recorder.step(name, (row) => work({ ...row, note: say(row.note) }))
        } catch (error) {
          progress.done()
          // Once, at the innermost step: whoever reads the log need not go to its end to see why it stops here.
          if (error instanceof DeployError && error !== told) sink.info(`✗ ${error.what}`)
          told = error
          throw error
        } finally {
          progress.done()
        }
      }),
  }
  const say = (note: (text: string) => void) => (text: string) => {
    note(text)
    // What it comes to is said after how far it was.
    progress.done()
    if (text !== '') sink.info(text)
  }
  try {
    recorder.result = await storyOf(plan.mode)(context)
  } catch (error) {
    recorder.fail(error)
    recorder.result = 'failed'
  }
  return recorder.result
}

/** A build may be silent for minutes, and whoever looks at the log wonders. */
function pulse(beat: () => void): Disposable {
  const timer = setInterval(beat, 5_000)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
