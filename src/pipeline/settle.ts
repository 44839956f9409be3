import { DeployError } from '../errors.ts'
import { settle } from '../guard/guard.ts'
import type { Facts } from '../remote/facts.ts'
import type { Host } from '../remote/host.ts'
import { type HostState, readState } from '../remote/state.ts'
import type { Context } from './context.ts'

/** A deploy that began and never ended is settled before anything new begins. */
export async function settlePending(context: Context, host: Host, facts: Facts, state: HostState): Promise<HostState> {
  const { log, step } = context
  if (state.pending === '') return state
  return await step('Settle the deploy before', async ({ note }) => {
    log.info(`The deploy ${state.pending} never came to its end: it is settled first.`)
    const { verdict } = await settle(host, facts.state)
    if (verdict === undefined || verdict.end === 'rollback-failed') throw rollbackFailed(host, facts.state, '')
    note(`${state.pending}: ${verdict.end}`)
    return await readState(host, facts.state)
  })
}

export function rollbackFailed(host: Host, state: string, detail: string): DeployError {
  return new DeployError('HD-ROLL-01', `The way back failed on ${host.name}.`, {
    why: detail.trim().split('\n').at(-1) ?? '',
    fix: `Log in and run \`sh ${state}/work/restore.sh\`: it says what is in the way, and can be repeated. Then remove ${state}/pending.json.`,
    detail,
  })
}
