import * as core from '@actions/core'
import { toDeployError } from './errors.ts'
import type { Loaded } from './inputs.ts'
import { finish, type Pending } from './pipeline/finish.ts'
import type { Sink } from './report/sink.ts'

/** Finishes whatever main could not: cancelled too hard, killed, out of time. Says so, and never fails the job again. */
export async function post(sink: Sink, load: () => Loaded): Promise<number> {
  const pending = JSON.parse(core.getState('pending') || '{}') as Pending
  const ids = [...new Set(Object.values(pending).filter(Boolean))]
  if (ids.length === 0) return 0
  try {
    const loaded = load()
    if ('plan' in loaded) await finish(loaded.plan, pending, sink)
  } catch (error) {
    const { what, why, fix } = toDeployError(error)
    sink.warning(
      `The deploy ${ids.join(', ')} may still be open on the host, and could not be settled now: ${what} ${why} The next run settles it first. ${fix}`,
    )
  }
  return 0
}
