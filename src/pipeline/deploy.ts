import type { Result } from '../report/report.ts'
import { confirm, dropUnchanged, gather, prepare, runCommand, stageTree } from './acts.ts'
import { begin, choose, take } from './begin.ts'
import { change } from './change.ts'
import type { Context } from './context.ts'
import { refuseDowngrade } from './downgrade.ts'
import { each, onAll } from './fleet.ts'
import { keysOnly, newRelease, oldRelease } from './goal.ts'
import { baseline } from './health.ts'
import { enterHive } from './hive.ts'
import { enterNetwork } from './network.ts'
import { readNews } from './news.ts'
import { workOnRunner } from './on-runner.ts'
import { checkTools, lookAhead } from './preflight.ts'
import { reach } from './reach.ts'
import { requireRelease } from './require-release.ts'
import { settlePending } from './settle.ts'
import { undo } from './undo.ts'
import { verifyImages } from './verify.ts'

/**
 * The whole run on one screen, for `deploy` and for `rollback`: they differ in where the release comes from. Several
 * hosts take each step together, up to the first change; then one follows the other, and all are confirmed at the end.
 */
export async function deploy(outside: Context): Promise<Result> {
  await using open = new AsyncDisposableStack()

  const inside = await enterHive(outside, open)
  const { mode } = inside.plan
  const reading = mode === 'deploy' ? newRelease(inside) : undefined
  const context = await enterNetwork(inside, open)
  await requireRelease(context)
  const reached = await reach(context, open)
  // What cannot be read is told before anything is touched: no lock, no state directory.
  await reading?.read
  const locked = await take(context, reached, open)
  const settled = await each(locked, async (member) => await settlePending(context, member))
  const goalOf = reading ?? (mode === 'upload-keys' ? keysOnly(context) : oldRelease(context))
  const planned = await each(settled, async (member) => choose(context, member, await goalOf(member), open))

  await each(planned, (member) => checkTools(context, member))
  await verifyImages(context)
  await refuseDowngrade(context, planned)
  readNews(context, planned, open)
  await runCommand(context, planned, 'before')
  const staged = await onAll(context, 'Compare and send', planned, (member, note) => stageTree(context, member, note))
  await lookAhead(context, staged)
  await workOnRunner(context, staged)
  const looked = await baseline(context, staged)
  const changing = await dropUnchanged(context, looked)
  if (changing.length === 0) return 'unchanged'

  const begun = changing.map((member) => begin(context, member, changing.length > 1))
  try {
    await prepare(context, begun)
    for (const member of begun) await change(context, member)
    await gather(context, begun)
    await confirm(context, begun)
  } catch (cause) {
    return await undo(context, begun, cause)
  }
  await runCommand(context, begun, 'after')
  return 'deployed'
}
