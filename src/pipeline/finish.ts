import { settle } from '../guard/guard.ts'
import type { ConnectContext } from '../remote/connect.ts'
import { SshHost } from '../remote/ssh-host.ts'
import { readState } from '../remote/state.ts'
import { showAddress, type Target } from '../remote/target.ts'
import type { Context } from './context.ts'
import { tailnetOf } from './network.ts'
import type { Plan } from './plan.ts'
import { learn } from './reach.ts'
import { rollbackFailed } from './settle.ts'

/** The releases that were being deployed when main ended, by host; empty where it was done. */
export type Pending = Readonly<Record<string, string>>

type FinishContext = Pick<Context, 'log' | 'idToken' | 'rememberTailnet'>

/** What `post` does when main ended in the middle: it has each deploy settled, and waits for the hosts' verdicts. */
export async function finish(plan: Plan, pending: Pending, context: FinishContext): Promise<void> {
  const { log } = context
  await using stack = new AsyncDisposableStack()
  const network = await tailnetOf({ ...context, plan }, stack, (text) => log.info(`Post: in the tailnet ${text}`))
  const open = plan.targets.filter((target) => pending[showAddress(target.address)])
  const ends = await Promise.allSettled(
    open.map(async (target) => {
      const id = pending[showAddress(target.address)] ?? ''
      log.info(
        `Post: ${showAddress(target.address)}: ${await finishOn(target, plan, id, { log, network, hosted: plan.run.hosted })}`,
      )
    }),
  )
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

async function finishOn(target: Target, plan: Plan, id: string, context: ConnectContext): Promise<string> {
  await using host = await SshHost.connect(target, context)
  const facts = await learn(host, plan)
  const state = await readState(host, facts.state)
  if (state.pending === id) context.log.info(`The deploy ${id} was left in the middle: settling it`)
  const { verdict } = await settle(host, facts.state, id)
  if (verdict?.end === 'rollback-failed' || (verdict === undefined && state.pending === id))
    throw rollbackFailed(host, facts.state, '')
  if (verdict === undefined) return `${id} changed nothing`
  return `${id} was ${verdict.end} (${verdict.why || 'by the runner'})`
}
