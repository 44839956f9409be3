import { blanks, consoleScript } from '../guard/console.ts'
import { decide } from '../guard/questions.ts'
import { begin } from '../guard/transaction.ts'
import type { Facts } from '../remote/facts.ts'
import { writeAtomically } from '../remote/state.ts'
import { assign, heredoc } from '../shell.ts'
import { compareWithRelease } from '../sync/compare.ts'
import { treeScript } from '../sync/script.ts'
import { type Change, compileTransaction, type Parts } from './scripts.ts'

type Known = Omit<Parts, 'console'>

/**
 * Shell by which somebody at the console can bring this release about again, when neither the runner nor the network
 * is there. The release keeps its part from before its first change on; the program `rollback`, which uses it, comes
 * with the confirmation.
 */
export function forConsole(change: Change, parts: Known, facts: Facts): Parts['console'] {
  const { places, name } = change
  return {
    keep: `( umask 077; ${heredoc('cat >"$release/again.new"', again(change, parts, facts))})\nmv -f "$release/again.new" "$release/again.sh"\n`,
    install: writeAtomically(`${places.state}/rollback`, consoleScript(places.state, name, facts.user.home), '700'),
  }
}

/** The very transaction that `mode: rollback` to this release would be, compiled now, with blanks for what it will find. */
function again(change: Change, parts: Known, facts: Facts): string {
  const { places, filters } = change
  const then: Change = {
    ...change,
    places: { ...places, previous: `${places.state}/releases/${blanks.previous}` },
    previousId: blanks.previous,
  }
  const { plan } = parts
  const transaction = compileTransaction(then, {
    ...parts,
    record: undefined,
    console: { keep: '', install: '' },
    // At the console data is backed up as ever; it is not brought back, and nothing is migrated.
    data: { ...parts.data, previousId: blanks.previous, again: true, restore: false, migrate: false },
    previousRevision: blanks.previousRevision,
    lockToken: blanks.token,
    elapsedMs: 0,
    gated: false,
    plan: {
      ...plan,
      mode: 'rollback',
      run: { ...plan.run, url: 'console', actor: blanks.actor },
      safety: { ...plan.safety, rollback: 'auto' },
    },
  })
  const compare = `${treeScript(then.places, filters)}\n${assign({ delete_limit: plan.sync.deleteLimit })}${compareWithRelease}`
  const checks = parts.vitals.checks.map(({ text }) => `  ${text}\n`).join('')
  return `set -eu
case $1 in
begin)
${change.tree ? compare : ''}${begin(transaction, facts)}
;;
confirmed)
${decide(places.state, change.id, 'confirmed')};;
refused)
${decide(places.state, change.id, 'refused', 'HD-CANCEL-01')};;
phases) echo ${Object.keys(transaction.phases).join(' ')} ;;
checks)
${checks === '' ? ':\n' : heredoc('cat', `Nobody has asked its health checks. Look yourself:\n${checks}`)};;
esac
`
}
