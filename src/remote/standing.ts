import { sh } from '../shell.ts'
import type { LockOwner } from './lock.ts'
import { lockScript } from './lock-script.ts'
import type { LedgerLine } from './state.ts'

/** Who is at the application now, and what became of the last runs: for those who only look. */
export interface Standing {
  readonly lock: (Partial<LockOwner> & { readonly stale: boolean }) | undefined
  /** Held by a person, for maintenance. */
  readonly maintenance: { readonly since: string; readonly why: string } | undefined
  /** A change that began and was never settled. */
  readonly pending: { readonly id: string; readonly run: string; readonly at: string } | undefined
  /** The last runs, the newest first. */
  readonly ledger: readonly LedgerLine[]
}

/** Shell: says on descriptor 3 what `parseStanding` reads. Wants `$state`, takes nothing and leaves nothing. */
export const standingScript = `(
token=
${lockScript}${sh`
cd -- "$state" 2>/dev/null || exit 0
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || :)
if [ -d lock ]; then
  if lock_stale; then echo 'lock stale' >&3; else echo 'lock held' >&3; fi
  printf 'owner %s\n' "$(tr -d '\n' 2>/dev/null <lock/owner.json || :)" >&3
fi
if held; then printf 'maintenance %s %s\n' "$(held_since)" "$(held_why)" >&3; fi
[ ! -f pending.json ] || printf 'open %s\n' "$(tr -d '\n' <pending.json)" >&3
if [ -f ledger.jsonl ]; then tail -n 60 ledger.jsonl | sed 's/^/ledger /' >&3; fi
`})
`

export function parseStanding(text: string): Standing {
  const values = (key: string) =>
    text.split('\n').flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1)] : []))
  const [lock] = values('lock')
  const [since, why] = /^(\S*) (.*)$/.exec(values('maintenance')[0] ?? '')?.slice(1) ?? []
  const [pending] = values('open').map((json) => read<Standing['pending']>(json))
  return {
    lock: lock === undefined ? undefined : { ...read<LockOwner>(values('owner')[0] ?? ''), stale: lock === 'stale' },
    maintenance: since === undefined || why === undefined ? undefined : { since, why: why.trim() },
    pending: pending ?? (values('open').length > 0 ? { id: '', run: '', at: '' } : undefined),
    ledger: values('ledger')
      .flatMap((json) => read<LedgerLine>(json) ?? [])
      .toReversed(),
  }
}

/** A line that was torn by a crash says nothing. */
function read<T>(json: string): T | undefined {
  try {
    return JSON.parse(json) as T
  } catch {
    return undefined
  }
}
