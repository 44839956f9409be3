import { sh } from '../shell.ts'

/**
 * The guard: a POSIX shell program that the host runs detached from every connection. It makes the change, phase by
 * phase, then waits for a confirmation, and takes the change back when none comes. Whatever dies (the runner, the
 * network, sshd), one of three ends is reached: confirmed, taken back, or the way back failed and a person is needed.
 *
 * Everything is a file in $work, so that runner, guard, the next run and the boot-time unit can each see all of it:
 *
 *   open        exists while nobody has decided. Who renames it has decided; a rename succeeds for one of them only:
 *               to confirmed (the runner), refused (the runner), failed (a phase), expired (nobody came)
 *   phase/NAME  the scripts, in the order of $phases     done.NAME   the exit code of each, once it has one
 *   log.NAME    the output of each, and of the way back  evidence    logs of the time, taken before the way back
 *   child       the phase that was started last          verdict     the last word; written once, atomically
 *   touched     from the first change on                 go, held    from the runner, where there are several hosts:
 *               it is this host's turn; healthy, and waiting for the others, for as long as the runner is there
 *
 * Time is /proc/uptime: the clock of a host may jump.
 */
export const guardScript = sh`
umask 077
cd -- "$work" || exit 1
# Not PIPE: what is ignored here stays ignored in all that the phases start, and a loop into head would never end.
trap '' HUP INT
trap 'exit 143' TERM
now() { read -r up _ </proc/uptime; up=\${up%%.*}; }
put() { write "$@" 2>/dev/null || { rm -f reserve; write "$@"; }; }
write() { printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; }
# The last word has to be said on a full disk as well, or everybody would wait for it: each was written before, and a
# rename needs no space.
put_verdict() { mv -f "words/$1" verdict 2>/dev/null || put verdict "$1"; }
ended() { [ ! -e open ]; }
# The work directory of this transaction, not that of the next run, which begins when this one was cleared away.
mine() { read -r owner 2>/dev/null <pid && [ "$owner" = "$$" ]; }
# A guard that lives, and no other process that got its number.
guarded() { read -r pid 2>/dev/null <pid || return 1; case $(hd_cmdline "$pid") in *"$work/guard.sh"*) ;; *) return 1 ;; esac; }
# Keeps the lock. Not by ":", which is special: the shell would end where the lock is gone.
lease() { { true >"$state/lock/lease"; } 2>/dev/null || true; }

# Into $why: why the change has to end now, as the name that "open" gets; nothing when it may go on.
reason() {
  why=
  if ended; then why=refused
  elif [ -n "$at" ] && [ ! -e held ]; then now; [ "$up" -lt "$at" ] || why=expired
  else
    # Before the change itself, and after it while other hosts are at theirs, there is no deadline, only the
    # question whether anybody is still there.
    read -r beat 2>/dev/null <"$state/lock/beat" || beat=
    now
    [ "$beat" = "$last" ] || { last=$beat; last_at=$up; }
    [ $((up - last_at)) -lt "$silence" ] || why=expired
  fi
}
# Ends a phase with all it started when there is a reason to.
watch() {
  last=none; last_at=0
  while sleep 1 && kill -0 "$1" 2>/dev/null; do
    lease
    reason
    [ -n "$why" ] || continue
    [ "$why" = refused ] || mv open "$why" 2>/dev/null
    end_group "$1"
    return
  done
}
# BusyBox takes no -- here, and dash needs it.
signal_group() { kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "-$2" 2>/dev/null || kill -s "$1" "$2" 2>/dev/null; }
end_group() {
  signal_group TERM "$1" || return 0
  for next in 0 0 0 0 0 KILL 0; do
    for _ in 1 2 3 4 5; do signal_group 0 "$1" || return 0; sleep 0.2; done
    signal_group "$next" "$1" || return 0
  done
}
# Waits for COMMAND to succeed, or for the end.
stay() { # SECONDS COMMAND...
  pause=$1; shift
  last=none; last_at=0
  until ended || "$@"; do
    lease
    reason
    if [ -n "$why" ]; then mv open "$why" 2>/dev/null; return; fi
    sleep "$pause"
  done
}
# With several hosts the canary goes first.
turn() { if [ -n "$gated" ] && [ ! -e go ]; then put phase-now turn; stay 0.2 [ -e go ]; fi; }
# In a session of its own, so that it can be ended with all it started.
start() { # SCRIPT LOG
  if command -v setsid >/dev/null 2>&1; then setsid /bin/sh "$1" >"$2" 2>&1 </dev/null &
  else /bin/sh "$1" >"$2" 2>&1 </dev/null & fi
  child=$!
}
run() { # NAME
  put phase-now "$1"
  start "$work/phase/$1" "log.$1"
  watch "$child" &
  watcher=$!
  wait "$child"; rc=$?
  # Nothing of a phase may go on while it is taken back.
  if ended; then wait "$watcher"; else kill "$watcher" 2>/dev/null; fi
  [ "$rc" = 0 ] || end_group "$child"
  put "done.$1" "$rc"
  return "$rc"
}
# The phase whose guard was killed; after a reboot its number may be somebody else's.
end_phase() {
  read -r child boot name 2>/dev/null <child || return 0
  read -r this_boot 2>/dev/null </proc/sys/kernel/random/boot_id || this_boot=
  [ "$boot" = "$this_boot" ] && [ ! -e "done.$name" ] || return 0
  case $(hd_cmdline "$child") in '' | *"$work/phase/"*) end_group "$child" ;; esac
}
# What is asked may hang because of the very change that has to be taken back.
collect() {
  [ ! -e evidence ] || return 0
  start "$work/evidence.sh" evidence.new
  turns=0
  while kill -0 "$child" 2>/dev/null && [ "$turns" -lt $((evidence_seconds * 10)) ]; do sleep 0.1; turns=$((turns + 1)); done
  end_group "$child"
  mv -f evidence.new evidence
}

# After the decision: forwards by confirm.sh, back by restore.sh. Both may be run again after a crash in their middle.
finish() {
  # On a full disk the way back needs some room; the other reserve a phase may have used up.
  rm -f reserve reserve.back
  if [ -e confirmed ]; then /bin/sh "$work/confirm.sh" >>log.confirm 2>&1 && put_verdict confirmed; return; fi
  # None of these: it was confirmed, and is being cleared away at this very moment.
  for why in refused failed expired ''; do [ -z "$why" ] || [ ! -e "$why" ] || break; done
  [ -n "$why" ] || return 0
  if [ ! -e touched ]; then /bin/sh "$work/ended.sh" "$why" untouched >>log.restore 2>&1; put_verdict "untouched $why"; return; fi
  collect
  if [ "$rollback" = off ]; then /bin/sh "$work/ended.sh" "$why" left >>log.restore 2>&1; put_verdict "left $why"; return; fi
  put phase-now restore
  if /bin/sh "$work/restore.sh" >log.restore 2>&1 </dev/null; then
    /bin/sh "$work/ended.sh" "$why" rolled-back >>log.restore 2>&1
    put_verdict "rolled-back $why"
  else
    hd_ledger rollback-failed HD-ROLL-01
    put_verdict "rollback-failed $why"
  fi
}
# The runner reads the verdict and clears up. When it is gone, nobody else would.
leave() {
  read -r beat 2>/dev/null <"$state/lock/beat" || beat=
  waited=0
  while mine && [ "$waited" -lt "$silence" ]; do
    sleep 1; waited=$((waited + 1))
    read -r new 2>/dev/null <"$state/lock/beat" || new=
    [ "$new" != gone ] || break
    [ "$new" = "$beat" ] || { beat=$new; waited=0; }
  done
  mine || return 0
  clear_away
}
# What a failed way back needs stays; the verdict stays where the next run finds it.
clear_away() {
  # Without a verdict something could not be finished: the next run tries again, by what is here.
  case $(cat verdict 2>/dev/null) in '' | rollback-failed*) return 0 ;; esac
  keep_verdict
  # The lock last: with it the next run may come, and make this directory its own.
  drop_work
  free_lock "$token"
}
`

/** The main line of the guard, and of nothing else. */
export const guardMain = sh`
put pid "$$"
at=
for name in $phases; do
  case " $harmless " in *" $name "*) ;; *) turn ;; esac
  ended && break
  if [ "$name" = "$timed" ]; then now; at=$((up + confirm_seconds)); fi
  read -r began _ </proc/uptime
  run "$name" || { mv open failed 2>/dev/null; break; }
  [ "$name" != "$timed" ] || awk -v began="$began" '{ printf "\"activateMs\":%d,", ($1 - began) * 1000 }' /proc/uptime >ledger.more.activate || :
done
put phase-now wait
stay 1 false
mine || exit 0
# The runner that confirmed finishes by itself; only when it does not, this does.
if [ -e confirmed ]; then for _ in 1 2 3 4 5 6 7 8 9 10; do [ ! -e verdict ] && mine || break; sleep 1; done; mine || exit 0; fi
[ -e verdict ] || finish
leave
`

/**
 * For a transaction whose guard is gone: a reboot, a kill. Decides, unless somebody did already, and finishes. The
 * next run uses it, and the unit that systemd starts after a reboot.
 */
export const settleMain = sh`
# The unit, which knows the boot that it was made in: a start of its target, as an activation of NixOS does it, is no reboot.
read -r this_boot 2>/dev/null </proc/sys/kernel/random/boot_id || this_boot=
[ -z "\${1-}" ] || [ "$1" != "$this_boot" ] || exit 0
hd_alone settling
# While this waited, the next run may have begun a change of its own here.
[ "$(cat id 2>/dev/null)" = "$id" ] || exit 0
if guarded; then
  mv open refused 2>/dev/null
  i=0; while [ ! -e verdict ] && [ "$i" -lt 600 ] && guarded; do sleep 1; i=$((i + 1)); done
fi
mv open expired 2>/dev/null
[ -e verdict ] || { guarded || end_phase; finish; }
clear_away
`
