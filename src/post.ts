import { rm } from 'node:fs/promises'
import * as core from '@actions/core'
import { toDeployError } from './errors.ts'
import type { Loaded } from './inputs.ts'
import { finish, type Pending } from './pipeline/finish.ts'
import type { Plan } from './pipeline/plan.ts'
import { removeSecretFiles, type Written } from './pipeline/runner-secrets.ts'
import { deploymentLost } from './pipeline/tell-github.ts'
import type { Address } from './remote/target.ts'
import type { Sink } from './report/sink.ts'
import { leaveTailnet } from './tailnet/leave.ts'

/** Finishes whatever main could not: cancelled too hard, killed, out of time. Says so, and never fails the job again. */
export async function post(sink: Sink, load: () => Loaded): Promise<number> {
  const temp = core.getState('temp')
  if (temp !== '') await rm(temp, { recursive: true, force: true })
  await removeSecretFiles(JSON.parse(core.getState('secrets') || '{"files":[],"folders":[]}') as Written)
  await leave(core.getState('tailnet'), sink)
  const pending = JSON.parse(core.getState('pending') || '{}') as Pending
  const ids = [...new Set(Object.values(pending).filter(Boolean))]
  const deployment = Number(core.getState('deployment') || 0)
  if (ids.length === 0 && deployment === 0) return 0
  try {
    const loaded = load()
    if ('plan' in loaded && deployment > 0) await deploymentLost(loaded.plan, deployment, sink)
    if ('plan' in loaded && ids.length > 0) {
      const idToken = (audience: string) => core.getIDToken(audience)
      await finish(withNodes(loaded.plan), pending, { log: sink, idToken, rememberTailnet: () => {} })
    }
  } catch (error) {
    const { what, why, fix } = toDeployError(error)
    sink.warning(
      `The deploy ${ids.join(', ')} may still be open on the host, and could not be settled now: ${what} ${why} The next run settles it first. ${fix}`,
    )
  }
  return 0
}

/** The hosts of a hive, as main has found them: nothing is evaluated once more. */
function withNodes(plan: Plan): Plan {
  const { hive, targets } = plan
  if (hive === undefined || targets.length > 0) return plan
  const addresses = JSON.parse(core.getState('targets') || '[]') as Address[]
  return { ...plan, targets: addresses.map((address) => ({ ...hive.login, address })) }
}

/** Main leaves by itself, and its keeper does when main cannot: this is for what not even that one could do. */
async function leave(folder: string, sink: Sink): Promise<void> {
  if (folder === '') return
  const end = await leaveTailnet(folder)
  if (end === 'left') sink.info('Post: left the tailnet')
  if (end === 'not left')
    sink.warning('The daemon of the tailnet had to be killed: its node goes when the control server notices.')
}
