import { settle } from '../guard/guard.ts'
import type { Log } from '../log.ts'
import { SshHost } from '../remote/ssh-host.ts'
import { readState } from '../remote/state.ts'
import type { Plan } from './plan.ts'
import { learn } from './reach.ts'

/** What `post` does when main ended in the middle: it has the deploy settled, and waits for the host's verdict. */
export async function finish(plan: Plan, pending: string, log: Log): Promise<string> {
  const [target] = plan.targets
  if (target === undefined) return 'nothing to do'
  await using host = await SshHost.connect(target, { log, hosted: plan.run.hosted })
  const facts = await learn(host, plan)
  const state = await readState(host, facts.state)
  if (state.pending !== pending) return 'the host had settled it already'
  log.info(`The deploy ${pending} was left in the middle: settling it`)
  const { verdict } = await settle(host, facts.state)
  return verdict === undefined ? 'nothing to do' : `${pending} was ${verdict.end} (${verdict.why || 'by the runner'})`
}
