import { takeLock } from '../remote/lock.ts'
import { parseState, stateScript } from '../remote/state.ts'
import type { Result } from '../report/report.ts'
import { assign } from '../shell.ts'
import { command, compile, isUnchanged, must, summarize, undo } from './acts.ts'
import type { Context } from './context.ts'
import { newRelease, oldRelease } from './goal.ts'
import { ledgerLine } from './ledger-line.ts'
import { reach } from './reach.ts'
import { confirm, switchOver } from './scripts.ts'
import { settle } from './settle.ts'

/** The whole run on one screen, for `deploy` and for `rollback`: they differ in where the release comes from. */
export async function deploy(context: Context): Promise<Result> {
  const { plan, recorder, signal, log, step } = context
  const reading = plan.mode === 'deploy' ? newRelease(context) : undefined
  await using open = new AsyncDisposableStack()

  const { host, facts } = await reach(context)
  open.use(host)

  const lock = await step('Take the lock', async ({ note }) => {
    const owner = {
      run: plan.run.url,
      actor: plan.run.actor,
      revision: plan.sync.commit,
      since: new Date().toISOString(),
    }
    const whenTaken = assign({ state: facts.state }) + stateScript
    const lock = await takeLock(host, facts.state, owner, {
      timeoutMs: plan.safety.lockTimeout,
      log,
      signal,
      whenTaken,
    })
    note(lock.wasStale ? 'left behind by a run that died' : '')
    return lock
  })
  open.use(lock)

  const state = await settle(context, host, facts, parseState(lock.text))
  const goal = reading ? await reading(facts) : oldRelease(context, state, facts)
  const change = compile(context, goal, facts, state)
  recorder.strategy = goal.strategy.name
  recorder.path = goal.path
  recorder.before = {
    id: state.current,
    revision: state.releases.find(({ id }) => id === state.current)?.revision ?? '',
  }

  if (plan.scripts.before) await command(context, host, change, 'before', 'hd_user before "$release"', goal.begin)

  const staged = await step('Compare and send', async ({ note }) => {
    if (goal.begin && !plan.scripts.before) await must(host, goal.begin, 'Preparing the release')
    const staged = await goal.stage(host, facts, change.places)
    recorder.changes = staged
    note(summarize(staged))
    if (staged.drifted.length > 0)
      log.warning(
        `Edited on the host since the last deploy, and replaced now (a copy is kept): ${staged.drifted.slice(0, 10).join(', ')}`,
      )
    return staged
  })
  if (await isUnchanged(context, host, change, goal, state, staged)) {
    recorder.after = recorder.before
    return 'unchanged'
  }

  try {
    await step('Switch over', async () => {
      context.remember('pending', change.id)
      await must(host, switchOver(change, { url: plan.run.url, at: new Date().toISOString() }), 'Switching the files')
    })
    if (plan.scripts.prepare || plan.mode === 'rollback')
      await command(context, host, change, 'prepare', change.strategy.prepare)
    await command(context, host, change, 'activate', change.strategy.apply)
    await step('Confirm', async () => {
      await must(
        host,
        confirm(change, goal.record, ledgerLine(context, change)('deployed'), plan.safety.keep),
        'Confirming',
      )
      context.remember('pending', '')
    })
  } catch (cause) {
    return await undo(context, host, facts, change, cause)
  }
  recorder.changed = true
  recorder.after = { id: goal.id, revision: goal.revision }
  if (plan.scripts.after) await command(context, host, change, 'after', 'hd_user after "$release"')
  return 'deployed'
}
