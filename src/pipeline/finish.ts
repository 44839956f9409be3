import { settle } from '../guard/guard.ts'
import type { Log } from '../log.ts'
import { SshHost } from '../remote/ssh-host.ts'
import { readState } from '../remote/state.ts'
import { showAddress, type Target } from '../remote/target.ts'
import type { Plan } from './plan.ts'
import { learn } from './reach.ts'

/** The releases that were being deployed when main ended, by host; empty where it was done. */
export type Pending = Readonly<Record<string, string>>

/** What `post` does when main ended in the middle: it has each deploy settled, and waits for the hosts' verdicts. */
export async function finish(plan: Plan, pending: Pending, log: Log): Promise<void> {
  const open = plan.targets.filter((target) => pending[showAddress(target.address)])
  const ends = await Promise.allSettled(
    open.map(async (target) => {
      const id = pending[showAddress(target.address)] ?? ''
      log.info(`Post: ${showAddress(target.address)}: ${await finishOn(target, plan, id, log)}`)
    }),
  )
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

async function finishOn(target: Target, plan: Plan, id: string, log: Log): Promise<string> {
  await using host = await SshHost.connect(target, { log, hosted: plan.run.hosted })
  const facts = await learn(host, plan)
  const state = await readState(host, facts.state)
  if (state.pending !== id) return 'the host had settled it already'
  log.info(`The deploy ${id} was left in the middle: settling it`)
  const { verdict } = await settle(host, facts.state, id)
  return verdict === undefined ? 'nothing to do' : `${id} was ${verdict.end} (${verdict.why || 'by the runner'})`
}
