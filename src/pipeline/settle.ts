import { DeployError } from '../errors.ts'
import type { Facts } from '../remote/facts.ts'
import type { Host } from '../remote/host.ts'
import { type HostState, type LedgerLine, parseState, stateScript } from '../remote/state.ts'
import { assign } from '../shell.ts'
import type { Context } from './context.ts'
import { ledgerLine } from './ledger-line.ts'
import { forget, restore } from './scripts.ts'

/** A deploy that began and never ended is taken back before anything new begins. */
export async function settle(context: Context, host: Host, facts: Facts, state: HostState): Promise<HostState> {
  const { log, step } = context
  if (state.pending === '') return state
  return await step('Settle the deploy before', async ({ note }) => {
    log.info(`The deploy ${state.pending} was never confirmed: it is taken back first.`)
    await takeBack(host, facts.state, state.pending, (result) => ({
      ...ledgerLine(context)(result),
      mode: 'settle',
      release: state.pending,
    }))
    note(`${state.pending} taken back`)
    const { text } = await host.run(assign({ state: facts.state }) + stateScript, {
      label: 'Reading the state',
      quiet: true,
    })
    return parseState(text)
  })
}

/** Runs the way back that was written before the first change, and says so in the ledger. */
export async function takeBack(
  host: Host,
  state: string,
  id: string,
  line: (result: string) => LedgerLine,
): Promise<void> {
  const { code, tail } = await host.run(restore(state), {
    label: 'Rolling back',
    timeoutMs: 600_000,
    evenIfCancelled: true,
  })
  const result = code === 0 ? 'rolled-back' : 'rollback-failed'
  if (code !== 0) {
    throw new DeployError('HD-ROLL-01', `The rollback on ${host.name} failed.`, {
      why: tail.split('\n').at(-1) ?? '',
      fix: `Log in and run \`sh ${state}/work/restore.sh\`: it says what is in the way, and can be repeated.`,
      detail: tail,
    })
  }
  await host.run(forget(state, id, line(result)), { label: 'Writing the ledger', quiet: true, evenIfCancelled: true })
}
