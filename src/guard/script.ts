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
 *   verdict     the last word; written once, atomically
 *
 * Time is /proc/uptime: the clock of a host may jump.
 */
export const guardScript = sh`
umask 077
cd -- "$work" || exit 1
trap '' HUP INT PIPE
trap 'exit 143' TERM
now() { read -r up _ </proc/uptime; up=\${up%%.*}; }
put() { printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; }
ended() { [ ! -e open ]; }
# The work directory of this transaction, not that of the next run, which begins when this one was cleared away.
mine() { read -r owner 2>/dev/null <pid && [ "$owner" = "$$" ]; }

# Why the change has to end now, as the name that "open" gets; nothing when it may go on.
reason() {
  if ended; then echo refused
  elif [ -s deadline ]; then read -r at <deadline; now; [ "$up" -lt "$at" ] || echo expired
  else
    # Before the change itself there is no deadline, only the question whether anybody is still there.
    read -r beat <"$state/lock/beat" 2>/dev/null || beat=
    now
    [ "$beat" = "$last" ] || { last=$beat; last_at=$up; }
    [ $((up - last_at)) -lt "$silence" ] || echo expired
  fi
}
# Ends a phase with all it started when there is a reason to.
watch() {
  last=none; last_at=0
  while sleep 1 && kill -0 "$1" 2>/dev/null; do
    : >"$state/lock/lease" 2>/dev/null || :
    why=$(reason)
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
  for _ in 1 2 3 4 5; do signal_group 0 "$1" || return 0; sleep 1; done
  signal_group KILL "$1" || :
}
run() { # NAME
  put phase-now "$1"
  if command -v setsid >/dev/null 2>&1; then setsid /bin/sh "phase/$1" >"log.$1" 2>&1 & else /bin/sh "phase/$1" >"log.$1" 2>&1 & fi
  child=$!
  watch "$child" &
  watcher=$!
  wait "$child"; rc=$?
  kill "$watcher" 2>/dev/null
  put "done.$1" "$rc"
  return "$rc"
}

# After the decision: forwards by confirm.sh, back by restore.sh. Both may be run again after a crash in their middle.
finish() {
  if [ -e confirmed ]; then /bin/sh confirm.sh >>log.confirm 2>&1 && put verdict confirmed; return; fi
  for why in refused failed expired; do [ ! -e "$why" ] || break; done
  if [ ! -e evidence ] && [ -s evidence.sh ]; then /bin/sh evidence.sh >evidence.new 2>&1 </dev/null; mv -f evidence.new evidence; fi
  if [ "$rollback" = off ]; then /bin/sh ended.sh "$why" failed >>log.restore 2>&1; put verdict "left $why"; return; fi
  put phase-now restore
  if /bin/sh restore.sh >log.restore 2>&1 </dev/null; then /bin/sh ended.sh "$why" rolled-back >>log.restore 2>&1; put verdict "rolled-back $why"
  else /bin/sh ended.sh "$why" rollback-failed >>log.restore 2>&1; put verdict "rollback-failed $why"; fi
}
# The runner reads the verdict and clears up. When it is gone, nobody else would.
leave() {
  read -r beat <"$state/lock/beat" 2>/dev/null || beat=
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
  case $(cat verdict) in rollback-failed*) return 0 ;; esac
  if [ "$(cat "$state/lock/token" 2>/dev/null)" = "$token" ]; then mv "$state/lock" "$state/lock.left.$$" && rm -rf "$state/lock.left.$$"; fi
  cp verdict "$state/verdict.new" && mv -f "$state/verdict.new" "$state/verdict"
  cd / && rm -rf "$work"
}
`

/** The main line of the guard, and of nothing else. */
export const guardMain = sh`
put pid "$$"
for name in $phases; do
  ended && break
  if [ "$name" = "$timed" ]; then now; put deadline "$((up + confirm_seconds))"; fi
  run "$name" || { mv open failed 2>/dev/null; break; }
done
put phase-now wait
while ! ended; do
  now; read -r at <deadline
  if [ "$up" -ge "$at" ]; then mv open expired 2>/dev/null; break; fi
  : >"$state/lock/lease" 2>/dev/null || :
  sleep 1
done
mine || exit 0
# The runner that confirmed finishes by itself; only when it does not, this does.
if [ -e confirmed ]; then for _ in 1 2 3 4 5 6 7 8 9 10; do [ ! -e verdict ] || break; sleep 1; done; mine || exit 0; fi
[ -e verdict ] || finish
leave
`

/**
 * For a transaction whose guard is gone: a reboot, a kill. Decides, unless somebody did already, and finishes. The
 * next run uses it, and the unit that systemd starts after a reboot.
 */
export const settleMain = sh`
if [ -s pid ]; then
  read -r pid <pid
  # Alive, and no other process that got its number.
  if grep -q guard.sh "/proc/$pid/cmdline" 2>/dev/null; then
    mv open refused 2>/dev/null
    i=0; while [ ! -e verdict ] && [ "$i" -lt 600 ] && grep -q guard.sh "/proc/$pid/cmdline" 2>/dev/null; do sleep 1; i=$((i + 1)); done
  fi
fi
mv open expired 2>/dev/null
[ -e verdict ] || finish
clear_away
`
