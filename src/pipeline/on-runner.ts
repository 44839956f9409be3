import type { MachineRecord } from '../report/recorder.ts'
import type { Context } from './context.ts'
import type { Findings } from './findings.ts'
import type { Aimed, Planned } from './fleet.ts'
import { foreseeSystems, pushSystems } from './hive-work.ts'

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
  context: Context,
  members: readonly Aimed[],
  findings: Findings,
): Promise<ReadonlyMap<MachineRecord, readonly string[]>> {
  const [first] = members
  const look = lookOf(context, members)
  if (first === undefined || look === undefined) return new Map()
  return await context.step('Build on the runner', async ({ note }) => {
    // What it fails of is the same for all of them.
    const said = await findings.noting(first.record, look)
    note(said === undefined ? 'not done' : `${said.flat().length} things would change`)
    return new Map(members.map(({ record }, index) => [record, said?.[index] ?? []]))
  })
}

function lookOf(
  context: Context,
  members: readonly Aimed[],
): (() => Promise<readonly (readonly string[])[]>) | undefined {
  const places = members.map(placeOf)
  const { plan, signal, colmena } = context
  if (colmena !== undefined) return () => foreseeSystems(context, colmena, members, places)
  const { strategy, options } = members[0]?.goal ?? {}
  const look = options && strategy?.foreseeOnRunner?.(options)
  return look && (() => look({ options, source: plan.sync.source, members: places, signal }))
}

function placeOf({ link, facts, change }: Aimed) {
  return { host: link.host, facts, release: change.places.release }
}
