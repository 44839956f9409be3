import { DeployError } from '../errors.ts'
import { type HostState, runningRelease } from '../remote/state.ts'
import { descent } from '../sync/descent.ts'
import type { Context } from './context.ts'
import type { Known } from './fleet.ts'
import { bringsNew } from './plan.ts'

/** Refuses a commit that does not descend from what runs: an old run started again, a branch that was left. */
export async function refuseDowngrade(context: Context, members: readonly Known[]): Promise<void> {
  if (!bringsNew(context.plan.mode) || context.plan.safety.allowDowngrade) return
  const running = new Map<string, HostState>()
  for (const { state } of members) running.set(revisionOf(state), state)
  for (const [revision, state] of running) if (revision !== '') await compare(context, state, revision)
}

const revisionOf = (state: HostState) => runningRelease(state)?.revision ?? ''

async function compare({ plan, log, step }: Context, state: HostState, running: string): Promise<void> {
  const { source, commit } = plan.sync
  const asked = await descent(source, commit, running)
  if (commit === running || asked === 'unasked') return

  const [from, to] = [running.slice(0, 12), commit.slice(0, 12)]
  await step('Compare commits', async ({ note }) => {
    if (asked === 'descends') return note(`${to} descends from ${from}`)
    const earlier = asked === 'unknown' ? ranBefore(state, commit, running) : undefined
    if (asked === 'unknown' && earlier === undefined) {
      note('cannot be told')
      return log.warning(
        `Whether ${to} descends from ${from}, which runs, cannot be told: the checkout holds too little of the history. Set \`fetch-depth: 0\` for actions/checkout, and a deploy that would go back is refused.`,
      )
    }
    const whys = {
      older: `${from} runs (release ${state.current}), and ${to} is one of its ancestors: this deploy would go back.`,
      elsewhere: `${from} runs (release ${state.current}) and is not in the history of ${to}: what it brought would be lost.`,
      unknown: `${from} runs (release ${state.current}), and ${to} ran before it (release ${earlier}).`,
    }
    const again = Number(plan.run.attempt) > 1
    throw new DeployError('HD-REV-01', `The commit ${to} does not descend from the one that runs.`, {
      why: `${whys[asked]}${again ? ` This is attempt ${plan.run.attempt} of a run that began with an older commit.` : ''}`,
      fix: 'Start a new run from the branch that is to be deployed: a run that is started again deploys its old commit. To go back, use `mode: rollback`; to deploy this very commit, set `allow-downgrade: true`.',
    })
  })
}

/** The release of this commit, where the host had it before the one that runs: the host remembers what a checkout does not hold. */
function ranBefore({ releases }: HostState, commit: string, running: string): string | undefined {
  const first = (revision: string) => releases.findLast((release) => release.revision === revision)
  const [candidate, now] = [first(commit), first(running)]
  return candidate && now && candidate.at < now.at ? candidate.id : undefined
}
