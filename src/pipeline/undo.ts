import { saidOf } from '../data/index.ts'
import { ConnectionLost, DeployError } from '../errors.ts'
import type { Verdict, Vote } from '../guard/guard.ts'
import type { Result } from '../report/report.ts'
import type { Context } from './context.ts'
import { type Begun, onAll } from './fleet.ts'
import { checkOldVersion } from './health.ts'
import { rollbackFailed } from './settle.ts'

const results: Record<Verdict['end'], Result> = {
  'rolled-back': 'rolled-back',
  'rollback-failed': 'rollback-failed',
  left: 'failed',
  untouched: 'failed',
  confirmed: 'deployed',
}

/** Of several hosts, the one that is worst off gives the run its result. */
const worstFirst = ['rollback-failed', 'unknown', 'rolled-back', 'failed', 'deployed'] as const

/** The vote against the new version; then each host takes it back. The first error is the cause, whatever comes here. */
export async function undo(context: Context, members: readonly Begun[], cause: unknown): Promise<Result> {
  const { recorder, plan } = context
  recorder.fail(cause)
  const title = plan.safety.rollback === 'off' ? 'Leave it as it is' : 'Roll back'
  const tried = async (member: Begun, note: (text: string) => void): Promise<Result> => {
    try {
      return await takeBack(context, member, note)
    } catch (error) {
      return failedToTakeBack(context, error)
    }
  }
  const ends = await onAll(context, title, members, async (member, note) => {
    member.record.result = await tried(member, note)
    return member.record.result
  })
  const back = members.filter(({ record }) => record.result === 'rolled-back')
  try {
    await checkOldVersion(context, back)
  } catch (error) {
    return failedToTakeBack(context, error)
  }
  const result = worstFirst.find((each) => ends.includes(each)) ?? 'failed'
  // The vote came too late: the new version was confirmed before, and serves.
  if (result === 'deployed') recorder.forgive()
  else if (ends.includes('deployed')) recorder.failRollback(mixed(members))
  return result
}

function failedToTakeBack({ recorder }: Context, error: unknown): Result {
  recorder.failRollback(error)
  const lost = error instanceof ConnectionLost || (error instanceof DeployError && /^HD-(NET|SSH-05)/.test(error.code))
  return lost ? 'unknown' : 'rollback-failed'
}

async function takeBack(context: Context, member: Begun, note: (text: string) => void): Promise<Result> {
  const { recorder, log } = context
  const { guard, link, facts, change, record } = member
  const said = await vote(member, recorder.failure?.code ?? '')
  context.remember(record.host, said === 'none' ? '' : change.id)
  if (said === 'none') {
    // It never came as far as the first change: what was made for it is tidied up at the end.
    record.after = undefined
    note('nothing was changed')
    return 'failed'
  }
  const verdict = said ?? (await guard.verdict())
  const data = await collect(context, member)
  if (verdict.end === 'rollback-failed') throw rollbackFailed(link.host, facts.state, '')
  if (verdict.end === 'left') log.warning('`rollback: off`: the new version was left as it is.')
  record.changed = verdict.end === 'left' || verdict.end === 'confirmed'
  note([describe(verdict, change.previousId), ...data].join('; '))
  context.remember(record.host, '')
  return results[verdict.end]
}

function describe({ end }: Verdict, previous: string): string {
  if (end === 'rolled-back') return previous ? `to ${previous}` : 'to what was there before'
  return end === 'untouched' ? 'nothing was changed' : end
}

async function vote({ guard, link }: Begun, code: string): Promise<Vote> {
  try {
    return await guard.decide('refused', { code, over: link.host })
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error
    await guard.reconnect()
    return await guard.decide('refused', { code, over: link.host })
  }
}

/** What the host kept to explain the failure, before the work directory goes; and what it says of the data. */
async function collect({ recorder }: Context, { guard, link, transaction }: Begun): Promise<readonly string[]> {
  const { text, tail } = await guard.evidence()
  const where = transaction.gated ? ` (${link.host.name})` : ''
  if (text.trim() !== '')
    recorder.notes.push({ title: `Logs of the time, before the old version was put back${where}`, text })
  return saidOf(tail).notes
}

/** The votes of several hosts are as many moments: between two of them a host can be lost. */
function mixed(members: readonly Begun[]): DeployError {
  const names = (result: Result) =>
    members
      .filter(({ record }) => record.result === result)
      .map(({ link }) => link.host.name)
      .join(', ')
  return new DeployError('HD-FLEET-01', 'The hosts do not run the same version.', {
    why: `The new version was confirmed on ${names('deployed')}, and then not on all of the others.`,
    fix: 'Run the deploy again for all of them, or go back on those by `mode: rollback`.',
  })
}
