import type { Facts } from '../remote/facts.ts'
import type { LedgerLine } from '../remote/state.ts'
import { flush, writeAtomically } from '../remote/state.ts'
import { assign, heredoc, quote, sh } from '../shell.ts'
import { verdictScript } from './questions.ts'
import { guardMain, guardScript, settleMain } from './script.ts'

/** What comes first and changes nothing: whatever becomes of it, the old version was never touched. */
export const harmlessPhases = ['build', 'backup'] as const
/** The phases of a change, in order. The deadline begins with `apply`; what is slow comes before it. */
export const phases = [...harmlessPhases, 'switch', 'prepare', 'data', 'migrate', 'apply'] as const
export type Phase = (typeof phases)[number]

/** Everything the host needs to make a change, or to take it back, by itself. */
export interface Transaction {
  readonly state: string
  readonly id: string
  readonly previousId: string
  readonly run: string
  /** Shell that each of the other scripts begins with. */
  readonly head: string
  /** Shell, run before anything is recorded: keeps what the change will replace. */
  readonly snapshot: string
  readonly phases: Readonly<Partial<Record<Phase, string>>>
  readonly evidence: string
  readonly restore: string
  readonly confirm: string
  /** After the way back: what is left of the failed release goes. */
  readonly forget: string
  readonly ledger: Omit<LedgerLine, 'at' | 'result' | 'code' | 'durationMs'>
  readonly elapsedMs: number
  readonly confirmSeconds: number
  readonly rollback: 'auto' | 'off' | 'data'
  readonly lockToken: string
  /** Waits, before its first change, until it is its turn among several hosts. */
  readonly gated: boolean
}

export interface Limits {
  /** After this long without a sign of life, the runner counts as gone. It sends one each ten seconds. */
  readonly silenceSeconds: number
  /** For no longer than this the way back waits for the logs of what failed. */
  readonly evidenceSeconds: number
}

/** Shell by which the runner lets a gated change begin. */
export const openGate = (state: string): string => `: >${quote(`${state}/work/go`)}\necho armed >&3\n`

/** What the scripts share. `hd_alone` and the fixed line make each end safe to repeat, and to be run by two at once. */
const functions = sh`
hd_cmdline() { { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null; } # the grep of BusyBox sees no further than a NUL
hd_alone() { # NAME: waits for who is at it already; one that was killed does not count
  turns=0
  until ln -s "$$" "$work/$1" 2>/dev/null || [ "$turns" -ge 600 ]; do
    holder=$(readlink "$work/$1" 2>/dev/null)
    [ "$holder" != "$$" ] || return 0
    [ -d "$work" ] || exit 0
    # No link, and none can be made: the disk is full, which is no reason to wait for long.
    if [ -z "$holder" ]; then sleep 1; turns=$((turns + 200))
    else
      case $(hd_cmdline "$holder") in
        *confirm.sh* | *restore.sh* | *ended.sh* | *settle.sh*) sleep 1; turns=$((turns + 1)) ;;
        *) rm -f "$work/$1" ;;
      esac
    fi
  done
}
hd_phase() { # NAME: before its first change, so that either this sees the end or who ends it sees this
  read -r hd_boot 2>/dev/null </proc/sys/kernel/random/boot_id || hd_boot=
  printf '%s\n' "$$ $hd_boot $1" >"$work/child" || exit 74
  case " $harmless " in *" $1 "*) ;; *) : >"$work/touched" || exit 74 ;; esac
  [ -e "$work/open" ] || exit 143
}
hd_code() { # WHY
  code=$(cat "$work/code" 2>/dev/null || :)
  case $1 in expired) code=HD-GUARD-01 ;; failed) code=\${code:-HD-STEP-01} ;; esac
  echo "$code"
}
hd_ledger() ( # RESULT CODE: known only at the end, to whoever comes to it; once, however often it is run
  umask 077
  if [ ! -s "$work/ledger.out" ]; then
    ms=$(awk -v began="$(cat "$work/began")" -v before="$elapsed_ms" '{ ms = int(($1 - began) * 1000); printf "%d", (ms > 0 ? ms : 0) + before }' /proc/uptime)
    line=$(cut -c2- "$work/ledger.line") && [ -n "$line" ] || exit 1
    printf '{"at":"%s","result":"%s","code":"%s","durationMs":%s,%s%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$2" "\${ms:-0}" "$(cat "$work"/ledger.more.* 2>/dev/null)" "$line" >"$work/ledger.new" && mv -f "$work/ledger.new" "$work/ledger.out" || exit 1
  fi
  if tail -n 50 "$state/ledger.jsonl" 2>/dev/null | grep -qxF -f "$work/ledger.out"; then exit 0; fi
  [ -z "$(tail -c 1 "$state/ledger.jsonl" 2>/dev/null)" ] || echo >>"$state/ledger.jsonl"
  cat "$work/ledger.out" >>"$state/ledger.jsonl"
)
hd_end() { # The transaction is over: nothing settles it any more.
  rm -f "$state/pending.json"
  [ -n "$unit_dir" ] || return 0
  for hd_dir in "$unit_dir" "$unit_dir.attached"; do rm -f "$hd_dir/$unit" "$hd_dir/$wanted_by.wants/$unit" 2>/dev/null || :; done
}
`

/** The environment of the login, for scripts that run without one. */
function environment(work: string): string {
  const names = 'PATH HOME USER XDG_RUNTIME_DIR'
  return `{ ${names
    .split(' ')
    .map((name) => `read -r ${name}`)
    .join(
      '; ',
    )}; } <${quote(`${work}/env`)}; LOGNAME=$USER; export ${names} LOGNAME; [ -n "$XDG_RUNTIME_DIR" ] || unset XDG_RUNTIME_DIR\n`
}

/** What a change of before left here: the lists of this one are here already. */
const clear = sh`( umask 077; rm -rf "$state"/work.done.*; mkdir -p "$work"; cd -- "$work"
# The last word on an earlier change to the same release would be taken for that on this one.
case $(cat "$state/verdict" 2>/dev/null) in "$id "*) rm -f "$state/verdict" ;; esac
rm -rf phase phase-now words before open confirmed refused failed expired verdict pid id child touched go held code data.* evidence ending settling ledger.out ledger.more.* done.* log.* file.*
mkdir phase )`

/** Where a unit has to be for systemd to start it after a reboot, while a change is open. */
function bootUnit({ init, user, state }: Facts, id: string): { dir: string; target: string; name: string } {
  // Two applications may deploy the same commit in the same second.
  const name = `homelab-deploy-${(state.split('/').at(-1) ?? '').replaceAll(/[^\w.-]/g, '-')}-${id}.service`
  if (init !== 'systemd') return { dir: '', target: '', name }
  return user.uid === 0
    ? { dir: '/etc/systemd/system', target: 'multi-user.target', name }
    : { dir: `${user.home}/.config/systemd/user`, target: 'default.target', name }
}

/**
 * Shell that begins the change: everything the way back needs is on the disk, then a pending record says so, and only
 * then the guard starts and the first file changes.
 */
export function begin(
  transaction: Transaction,
  facts: Facts,
  { silenceSeconds, evidenceSeconds }: Limits = { silenceSeconds: 30, evidenceSeconds: 20 },
): string {
  const { state, id } = transaction
  const work = `${state}/work`
  const unit = bootUnit(facts, id)
  const values = assign({
    state,
    work,
    id,
    silence: silenceSeconds,
    evidence_seconds: evidenceSeconds,
    confirm_seconds: transaction.confirmSeconds,
    timed: 'apply',
    rollback: transaction.rollback,
    token: transaction.lockToken,
    elapsed_ms: transaction.elapsedMs,
    unit: unit.name,
    unit_dir: unit.dir,
    wanted_by: unit.target,
    phases: phases.filter((phase) => transaction.phases[phase] !== undefined).join(' '),
    harmless: harmlessPhases.join(' '),
    gated: transaction.gated ? 'true' : '',
  })
  const file = (name: string, body: string) => heredoc(`cat >"$work/${name}"`, body)
  const script = (name: string, body: string) => file(name, `. ${quote(`${work}/head.sh`)}\n${body}\n`)
  const pending = JSON.stringify({
    id,
    previous: transaction.previousId,
    run: transaction.run,
    at: new Date().toISOString(),
  })
  return [
    transaction.head,
    values,
    clear,
    'umask >"$work/umask"',
    transaction.snapshot,
    '( umask 077',
    // A unit of systemd has neither the PATH nor the HOME of the login.
    sh`printf '%s\n' "$PATH" "$HOME" "$(id -un)" "\${XDG_RUNTIME_DIR-}" >"$work/env"`,
    // What the user's commands write gets the modes that a login gives; the guard itself writes for its user alone.
    file(
      'head.sh',
      `${environment(work)}${transaction.head}\n${values}\numask "$(cat "$work/umask")"\n${functions}${verdictScript}`,
    ),
    ...phases.flatMap((phase) => {
      const body = transaction.phases[phase]
      return body === undefined ? [] : script(`phase/${phase}`, `hd_phase ${phase}\nset -eu\n${body}`)
    }),
    script('evidence.sh', transaction.evidence),
    script('restore.sh', `hd_alone ending\n${transaction.restore}`),
    script('confirm.sh', `${once}\n${transaction.confirm}\nhd_ledger deployed ''\nhd_end`),
    script(
      'ended.sh',
      `${once}\nif [ "$2" != left ]; then :\n${transaction.forget}\nfi\ncase $2 in rolled-back) result=$2 ;; *) result=failed ;; esac\nhd_ledger "$result" "$(hd_code "$1")"\nhd_end`,
    ),
    assign({ ledger_line: JSON.stringify(transaction.ledger) }),
    sh`printf '%s\n' "$id" >"$work/id"; printf '%s\n' "$ledger_line" >"$work/ledger.line"`,
    script('guard.sh', `${guardScript}\n${guardMain}`),
    script('settle.sh', `${guardScript}\n${settleMain}`),
    'date +%s >"$work/since"; cut -d" " -f1 /proc/uptime >"$work/began"; head -c 65536 /dev/zero >"$work/reserve"; head -c 262144 /dev/zero >"$work/reserve.back"; mkdir "$work/words"; for end in rolled-back rollback-failed left untouched; do for why in refused failed expired; do echo "$end $why" >"$work/words/$end $why"; done; done; echo confirmed >"$work/words/confirmed"; : >"$work/open" )',
    // A record on the disk whose scripts were lost with the power could neither finish nor take back what it records.
    flush('"$work"'),
    writeAtomically(`${state}/pending.json`, pending),
    start,
  ].join('\n')
}

const once = sh`hd_alone ending
[ -e "$state/pending.json" ] || exit 0
set -eu`

/** Starts the guard where no end of a login can reach it: systemd where it may, else a session of its own. */
const start = sh`
# On NixOS that folder is a part of the system, and only the one beside it can be written to.
for hd_dir in "$unit_dir" "$unit_dir.attached"; do
  [ -n "$unit_dir" ] && mkdir -p "$hd_dir/$wanted_by.wants" 2>/dev/null && [ -w "$hd_dir/$wanted_by.wants" ] && [ -w "$hd_dir" ] || continue
  printf '[Unit]\nDescription=Settles the deploy %s, which a reboot interrupted\nWants=network-online.target\nAfter=local-fs.target network-online.target docker.service\n[Service]\nType=oneshot\nKillMode=process\nExecStart=/bin/sh "%s/settle.sh" %s\n' "$id" "$(printf %s "$work" | sed 's/%/%%/g')" "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)" >"$hd_dir/$unit" &&
    ln -sf "../$unit" "$hd_dir/$wanted_by.wants/$unit" || :
  break
done
hd_started=
if [ -n "$unit_dir" ] && command -v systemd-run >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ]; then systemd-run --quiet --collect --no-block --unit="guard-$unit" -p KillMode=process -p IgnoreSIGPIPE=no /bin/sh "$work/guard.sh" 2>>"$work/guard.log" && hd_started=true
  else
    XDG_RUNTIME_DIR=\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}; export XDG_RUNTIME_DIR
    [ -e "/var/lib/systemd/linger/$(id -un)" ] && systemd-run --user --quiet --collect --no-block --unit="guard-$unit" -p KillMode=process -p IgnoreSIGPIPE=no /bin/sh "$work/guard.sh" 2>>"$work/guard.log" && hd_started=true
  fi
fi
[ -n "$hd_started" ] || { if command -v setsid >/dev/null 2>&1; then setsid /bin/sh "$work/guard.sh" </dev/null >>"$work/guard.log" 2>&1 3>&- & else nohup /bin/sh "$work/guard.sh" </dev/null >>"$work/guard.log" 2>&1 3>&- & fi; }
echo armed >&3
`
