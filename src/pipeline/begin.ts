import { Guard } from '../guard/guard.ts'
import { begin as beginScript } from '../guard/transaction.ts'
import { takeLock } from '../remote/lock.ts'
import { abandon, appendToLedger, parseState, runningRelease, stateScript } from '../remote/state.ts'
import { assign } from '../shell.ts'
import { forConsole } from './console.ts'
import type { Context } from './context.ts'
import { type Begun, type Known, type Locked, onAll, type Planned, type Reached, type Staging } from './fleet.ts'
import type { Goal } from './goal.ts'
import { ledgerLine } from './ledger-line.ts'
import { usual } from './news.ts'
import { connectAgain } from './reach.ts'
import { type Change, compileTransaction } from './scripts.ts'

/** The lock of the application on every host, and what the state directory says now that nobody else writes there. */
export async function take(
  context: Context,
  members: readonly Reached[],
  open: AsyncDisposableStack,
): Promise<Locked[]> {
  const { plan, log, signal } = context
  const { url: run, actor } = plan.run
  const owner = { run, actor, revision: plan.sync.commit, since: new Date().toISOString() }
  return await onAll(context, 'Take the lock', members, async (member, note) => {
    const { host, link, facts } = member
    const lock = await takeLock(host, facts.state, owner, {
      timeoutMs: plan.safety.lockTimeout,
      log,
      signal,
      whenTaken: assign({ state: facts.state }) + stateScript,
    })
    open.defer(() => lock.release(link.host))
    note(lock.wasStale ? 'left behind by a run that died' : '')
    const state = parseState(lock.text)
    member.record.usual = usual(state.past ?? [], plan.mode)
    return { ...member, lock, state }
  })
}

/** What the scripts of this change are compiled from; the report learns what it is about. */
export function aim({ plan, recorder }: Context, { facts, state, record }: Known, goal: Goal): Change {
  Object.assign(recorder, { strategy: goal.strategy.name, path: goal.path })
  record.before = { id: state.current, revision: runningRelease(state)?.revision ?? '' }
  return {
    places: {
      state: facts.state,
      path: goal.path,
      release: `${facts.state}/releases/${goal.id}`,
      previous: state.current === '' ? '' : `${facts.state}/releases/${state.current}`,
    },
    filters: goal.filters,
    strategy: goal.strategy.compile(goal.options, facts),
    id: goal.id,
    previousId: state.current,
    revision: goal.revision,
    name: plan.name,
    tree: goal.tree,
  }
}

/** What is to run on this host afterwards, in scripts. */
export function choose(context: Context, member: Locked, goal: Goal, open: AsyncDisposableStack): Planned {
  const { plan, log, signal } = context
  const { facts, lock, link, host, record } = member
  const change = aim(context, member, goal)
  const guard = new Guard(link, facts.state, change.id, {
    log,
    signal,
    patienceMs: plan.safety.confirmTimeout + 60_000,
    connect: () => connectAgain(context, member),
    onReconnect: (again) => lock.keep(again),
  })
  // Once it is said what would run afterwards, whoever confirms or takes back tidies up.
  open.defer(async () => {
    if (record.after !== undefined || host.ended.aborted) return
    const line = appendToLedger(facts.state, ledgerLine(context, { change, record })('failed'))
    const script = `${line}${abandon(facts.state, change.id)}`
    await host.run(script, { label: 'Tidying up', quiet: true, evenIfCancelled: true })
  })
  return { ...member, goal, change, guard }
}

/** From here on the host is able to make the change, or to take it back, without anybody. */
export function begin(context: Context, member: Staging, several: boolean): Begun {
  const { plan, recorder } = context
  const { change, goal, vitals, record, lock, facts } = member
  const { safety, mode, scripts } = plan
  const parts = {
    data: {
      lines: goal.backup,
      path: goal.path,
      id: goal.id,
      previousId: change.previousId,
      again: mode === 'rollback',
      restore: safety.rollback === 'data',
      migrate: scripts.migrate !== undefined,
      key: goal.fingerprint,
      force: safety.force,
    },
    plan,
    vitals,
    record: goal.record,
    strategyName: goal.strategy.name,
    gated: several,
    previousRevision: record.before?.revision ?? '',
    lockToken: lock.token,
    elapsedMs: recorder.elapsedMs,
  }
  const transaction = compileTransaction(change, { ...parts, console: forConsole(change, parts, facts) })
  record.after = { id: goal.id, revision: goal.revision }
  context.remember(record.host, change.id)
  return { ...member, transaction, arm: beginScript(transaction, facts) }
}
