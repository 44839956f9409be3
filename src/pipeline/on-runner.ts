import type { Context } from './context.ts'
import type { Planned } from './fleet.ts'
import { pushSystems } from './hive-work.ts'

/** What is made on the runner for a new release; a release of old has it already. */
export async function workOnRunner(context: Context, members: readonly Planned[]): Promise<void> {
  await pushSystems(context, members)
  const { plan, step, signal } = context
  const [first] = members
  if (first === undefined || first.goal.record === undefined) return
  const { strategy, options } = first.goal
  const work = strategy.onRunner?.(options)
  if (work === undefined) return
  await step('Build on the runner', async ({ note }) => {
    const hosts = members.map(({ link, facts, change }) => ({
      ...{ host: link.host, facts, release: change.places.release },
    }))
    note(await work({ options, source: plan.sync.source, members: hosts, signal }))
  })
}
