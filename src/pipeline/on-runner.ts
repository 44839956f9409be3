import type { MachineRecord } from '../report/recorder.ts'
import type { Context } from './context.ts'
import type { Findings } from './findings.ts'
import type { Aimed, Planned } from './fleet.ts'
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
    note(await work({ options, source: plan.sync.source, members: members.map(placeOf), signal }))
  })
}

/** For a plan: what it would do to each host, as far as work on the runner can tell it. */
export async function lookOnRunner(
  { plan, step, signal }: Context,
  members: readonly Aimed[],
  findings: Findings,
): Promise<ReadonlyMap<MachineRecord, readonly string[]>> {
  const [first] = members
  const { strategy, options } = first?.goal ?? {}
  const look = options && strategy?.foreseeOnRunner?.(options)
  if (first === undefined || options === undefined || look === undefined) return new Map()
  return await step('Build on the runner', async ({ note }) => {
    // What it fails of is the same for all of them.
    const said = await findings.noting(first.record, async () => {
      return await look({ options, source: plan.sync.source, members: members.map(placeOf), signal })
    })
    note(said === undefined ? 'not done' : `${said.flat().length} things would change`)
    return new Map(members.map(({ record }, index) => [record, said?.[index] ?? []]))
  })
}

function placeOf({ link, facts, change }: Aimed) {
  return { host: link.host, facts, release: change.places.release }
}
