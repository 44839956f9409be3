import { ConnectionLost, DeployError } from '../errors.ts'
import type { Guard, Verdict, Vote } from '../guard/guard.ts'
import type { Facts } from '../remote/facts.ts'
import type { Result } from '../report/report.ts'
import { assign } from '../shell.ts'
import type { Context } from './context.ts'
import { checkOldVersion, type Vitals } from './health.ts'
import type { Change } from './scripts.ts'
import { rollbackFailed } from './settle.ts'

const results: Record<Verdict['end'], Result> = {
  'rolled-back': 'rolled-back',
  'rollback-failed': 'rollback-failed',
  left: 'failed',
  confirmed: 'deployed',
}

/** The vote against the new version; then the host takes it back. The first error is the cause, whatever comes here. */
export async function undo(
  context: Context,
  guard: Guard,
  facts: Facts,
  change: Change,
  vitals: Vitals,
  cause: unknown,
): Promise<Result> {
  const { recorder, step, log, plan } = context
  recorder.fail(cause)
  try {
    const result = await step(plan.safety.rollback === 'off' ? 'Leave it as it is' : 'Roll back', async ({ note }) => {
      const said = await vote(guard, recorder.failure?.code ?? '')
      if (said === 'none') {
        // It never came as far as the first change: what was made for it is tidied up at the end.
        recorder.after = undefined
        context.remember('pending', '')
        note('nothing was changed')
        return 'failed'
      }
      const verdict = said ?? (await guard.verdict())
      await collect(context, guard, facts)
      if (verdict.end === 'rollback-failed') throw rollbackFailed(guard.host, facts.state, '')
      if (verdict.end === 'left') {
        recorder.changed = true
        log.warning('`rollback: off`: the new version was left as it is.')
      }
      note(
        verdict.end === 'rolled-back'
          ? change.previousId
            ? `to ${change.previousId}`
            : 'to what was there before'
          : verdict.end,
      )
      context.remember('pending', '')
      // The vote came too late: the new version was confirmed before, and serves.
      if (verdict.end === 'confirmed') recorder.forgive()
      return results[verdict.end]
    })
    if (result === 'rolled-back') await checkOldVersion(context, guard, vitals)
    return result
  } catch (error) {
    recorder.failRollback(error)
    const lost =
      error instanceof ConnectionLost || (error instanceof DeployError && /^HD-(NET|SSH-05)/.test(error.code))
    return lost ? 'unknown' : 'rollback-failed'
  }
}

async function vote(guard: Guard, code: string): Promise<Vote> {
  try {
    return await guard.decide('refused', { code })
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error
    await guard.reconnect()
    return await guard.decide('refused', { code })
  }
}

/** What the host kept to explain the failure, before the work directory goes. */
async function collect({ recorder }: Context, guard: Guard, facts: Facts): Promise<void> {
  const script = `${assign({ work: `${facts.state}/work` })}[ ! -s "$work/evidence" ] || cat "$work/evidence" >&3
case $(cat "$work/verdict" 2>/dev/null) in rollback-failed*) ;; *) rm -rf "$work" ;; esac`
  const { text } = await guard.host.run(script, {
    label: 'Collecting',
    quiet: true,
    evenIfCancelled: true,
    timeoutMs: 60_000,
  })
  if (text.trim() !== '') recorder.notes.push({ title: 'Logs of the time, before the old version was put back', text })
}
