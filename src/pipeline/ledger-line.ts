import type { LedgerLine } from '../remote/state.ts'
import type { MachineRecord } from '../report/recorder.ts'
import type { Context } from './context.ts'
import type { Change } from './scripts.ts'

/** What this run will have to say in the ledger of a host, once its result is known. */
export function ledgerLine(
  { plan, recorder }: Context,
  { change, record }: { readonly change: Change; readonly record: MachineRecord },
): (result: string) => LedgerLine {
  return (result) => ({
    at: new Date().toISOString(),
    result,
    mode: plan.mode,
    strategy: recorder.strategy,
    release: change.id,
    previous: change.previousId,
    revision: change.revision,
    previousRevision: record.before?.revision ?? '',
    actor: plan.run.actor,
    run: plan.run.url,
    code: result === 'failed' ? recorder.code : '',
    durationMs: recorder.elapsedMs,
  })
}
