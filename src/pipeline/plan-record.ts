import type { DeployError } from '../errors.ts'
import { runningRelease } from '../remote/state.ts'
import type { PlanRecord } from '../report/report.ts'
import { commitsBetween } from '../sync/commits.ts'
import type { Context } from './context.ts'
import { type Foreseen, isSame } from './foresee.ts'
import type { Vitals } from './health.ts'
import { pastRuns } from './standing.ts'

/** What was found out about a host, as the report has it. */
export async function planRecord(
  { plan }: Context,
  member: Foreseen & { readonly vitals: Vitals },
  problems: readonly DeployError[],
): Promise<PlanRecord> {
  const { goal, state, difference, bytes, does, interrupts, env, files, notes, record, standing, vitals } = member
  const { commits, others } = await commitsBetween(
    plan.sync.source,
    runningRelease(state)?.revision ?? '',
    goal.revision,
  )
  return {
    host: record.host,
    obstacles: obstaclesOf(problems),
    unchanged: !plan.safety.force && isSame(member, vitals.ill.size),
    ...(difference !== undefined && {
      changes: {
        added: difference.added,
        changed: difference.changed,
        removed: difference.removed,
        counts: onlyCounts(difference.counts),
        bytesSent: bytes,
      },
    }),
    edited: difference?.drifted ?? [],
    commits,
    otherCommits: others,
    does,
    env,
    files,
    interrupts,
    notes,
    commands: [
      ...goal.backup.map((line) => `backup: ${line}`),
      ...['before', 'prepare', 'migrate', 'activate', 'after'].filter((name) => goal.options.commands.includes(name)),
    ],
    past: pastRuns(standing),
  }
}

export const nothingKnown: Omit<PlanRecord, 'host' | 'obstacles'> = {
  unchanged: false,
  edited: [],
  commits: [],
  otherCommits: '',
  does: [],
  env: { added: [], removed: [] },
  files: [],
  interrupts: [],
  commands: [],
  notes: [],
  past: [],
}

export function obstaclesOf(problems: readonly DeployError[]): PlanRecord['obstacles'] {
  return problems.map(({ code, what, why, fix }) => ({ code, what, why, fix }))
}

function onlyCounts({ added, changed, removed }: { added: number; changed: number; removed: number }) {
  return { added, changed, removed }
}
