import { DeployError } from '../errors.ts'
import { settle } from '../guard/guard.ts'
import type { Host } from '../remote/host.ts'
import { readState } from '../remote/state.ts'
import type { Context } from './context.ts'
import type { Locked } from './fleet.ts'

/** A deploy that began and never ended is settled before anything new begins. */
export async function settlePending({ log, step }: Context, member: Locked): Promise<Locked> {
  const { host, facts, state } = member
  if (state.pending === '') return member
  return await step('Settle the deploy before', async ({ note }) => {
    log.info(`The deploy ${state.pending} never came to its end: it is settled first.`)
    const { verdict } = await settle(host, facts.state, state.pending)
    if (verdict === undefined || verdict.end === 'rollback-failed') throw rollbackFailed(host, facts.state, '')
    note(`${state.pending}: ${verdict.end}`)
    return { ...member, state: await readState(host, facts.state) }
  })
}

export function rollbackFailed(host: Host, state: string, detail: string): DeployError {
  return new DeployError('HD-ROLL-01', `The way back failed on ${host.name}.`, {
    why: detail.trim().split('\n').at(-1) ?? '',
    fix: `Log in and run \`sh ${state}/work/restore.sh\`: it says what is in the way, and can be repeated. Then remove ${state}/pending.json.`,
    detail,
  })
}
