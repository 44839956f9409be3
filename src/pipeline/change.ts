import { hold, phase } from './acts.ts'
import type { Context } from './context.ts'
import type { Begun } from './fleet.ts'
import { checkHealth } from './health.ts'
import { activateNatively, uploadKeys, uploadLateKeys } from './hive-work.ts'

/** The change of one host: from the old version that stops to the new one that is healthy. Of a hive, the runner does its part in between. */
export async function change(context: Context, member: Begun): Promise<void> {
  await phase(context, member, 'switch')
  await uploadKeys(context, member)
  await phase(context, member, 'prepare')
  await phase(context, member, 'data')
  await phase(context, member, 'migrate')
  await activateNatively(context, member)
  await phase(context, member, 'apply')
  await uploadLateKeys(context, member)
  // Made while health is being checked: whoever confirms has to come by a connection of after the change.
  const fresh = member.guard.fresh()
  await checkHealth(context, member)
  await hold(context, member, fresh)
}
