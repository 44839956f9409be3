import { Guard } from '../guard/guard.ts'
import { begin } from '../guard/transaction.ts'
import { takeLock } from '../remote/lock.ts'
import { abandon, appendToLedger, parseState, stateScript } from '../remote/state.ts'
import type { Result } from '../report/report.ts'
import { assign } from '../shell.ts'
import { command, compile, confirm, isUnchanged, must, phase, summarize } from './acts.ts'
import { forConsole } from './console.ts'
import type { Context } from './context.ts'
import { refuseDowngrade } from './downgrade.ts'
import { newRelease, oldRelease } from './goal.ts'
import { baseline, checkHealth } from './health.ts'
import { ledgerLine } from './ledger-line.ts'
import { connectAgain, reach } from './reach.ts'
import { compileTransaction } from './scripts.ts'
import { settlePending } from './settle.ts'
import { undo } from './undo.ts'

/** The whole run on one screen, for `deploy` and for `rollback`: they differ in where the release comes from. */
export async function deploy(context: Context): Promise<Result> {
  const { plan, recorder, signal, log, step } = context
  const reading = plan.mode === 'deploy' ? newRelease(context) : undefined
  await using open = new AsyncDisposableStack()

  const { host, facts } = await reach(context)
  open.use(host)
  // What cannot be read is told before anything is touched: no lock, no state directory.
  await reading?.read

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
  const guard = open.use(
    new Guard(host, facts.state, {
      log,
      signal,
      patienceMs: plan.safety.confirmTimeout + 60_000,
      connect: () => connectAgain(context, host),
      onReconnect: (again) => lock.keep(again),
    }),
  )
  open.defer(() => lock.release(guard.host))

  const state = await settlePending(context, host, facts, parseState(lock.text))
  const goal = reading ? await reading(facts, state) : oldRelease(context, state, facts)
  const change = compile(context, goal, facts, state)
  const before = { id: state.current, revision: state.releases.find(({ id }) => id === state.current)?.revision ?? '' }
  Object.assign(recorder, { strategy: goal.strategy.name, path: goal.path, before })

  // Once it is said what would run afterwards, whoever confirms or takes back tidies up.
  open.defer(async () => {
    if (recorder.after !== undefined || host.ended.aborted) return
    const line = appendToLedger(facts.state, ledgerLine(context, change)('failed'))
    await host.run(`${line}${abandon(facts.state, change.id)}`, {
      label: 'Tidying up',
      quiet: true,
      evenIfCancelled: true,
    })
  })

  await refuseDowngrade(context, state)
  await command(context, host, change, 'before', goal.begin)

  const staged = await step('Compare and send', async ({ note }) => {
    const first = plan.scripts.before ? '' : goal.begin
    if (!goal.tree) await must(host, first, 'Preparing the release')
    const staged = await goal.stage(host, facts, change.places, first)
    recorder.changes = staged
    note(summarize(staged))
    if (staged.drifted.length > 0)
      log.warning(
        `Edited on the host since the last deploy, and replaced now (a copy is kept): ${staged.drifted.slice(0, 10).join(', ')}`,
      )
    return staged
  })
  if (await isUnchanged(context, host, change, goal, state, staged)) {
    recorder.after = before
    return 'unchanged'
  }

  const vitals = await baseline(context, host, change, goal.health)
  const parts = {
    plan,
    record: goal.record,
    vitals,
    strategyName: goal.strategy.name,
    previousRevision: before.revision,
    lockToken: lock.token,
    elapsedMs: recorder.elapsedMs,
  }
  const transaction = compileTransaction(change, { ...parts, console: forConsole(change, parts, facts) })
  recorder.after = { id: goal.id, revision: goal.revision }
  context.remember('pending', change.id)
  try {
    await phase(context, guard, 'switch', 'Switch over', begin(transaction, facts))
    if (transaction.phases.prepare) await phase(context, guard, 'prepare', 'Prepare')
    await phase(context, guard, 'apply', 'Activate')
    const fresh = guard.fresh()
    await checkHealth(context, guard, vitals)
    await confirm(context, guard, fresh)
  } catch (cause) {
    return await undo(context, guard, facts, change, vitals, cause)
  }
  recorder.changed = true
  await command(context, guard.host, change, 'after')
  return 'deployed'
}
