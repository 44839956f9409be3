import { sh } from '../shell.ts'
import { endScript } from './end-script.ts'

/**
 * The lock as the host sees it: shell functions that stand in `$state` and want `$token`, and a function `owner` that
 * prints who takes it. Used by the runner, and by a person at the console.
 *
 * `mkdir` either makes the directory or fails: on every file system, and for two who come at the same moment. A lock
 * whose lease nobody renewed for two minutes belongs to a runner that died, and one from before a reboot to a
 * connection that did; it is moved aside by a rename, which again only one can do.
 *
 * `maintenance` is a file that a person puts there, with a reason in it. It belongs to nobody's run, so nothing but a
 * person takes it away.
 */
export const lockScript = `${endScript}${sh`
lock_stale() {
  [ -d lock ] || return 1
  if [ -f lock/boot ] && [ "$(cat lock/boot)" != "$boot" ]; then return 0; fi
  [ -n "$(find lock/lease -mmin +1 2>/dev/null)" ]
}
lock_make() {
  boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || :)
  if lock_stale && mv lock "lock.stale.$token" 2>/dev/null; then echo stale >&3; rm -rf "lock.stale.$token"; fi
  mkdir lock 2>/dev/null
}
lock_sign() { printf '%s\n' "$token" >lock/token; : >lock/lease; printf '%s\n' "$boot" >lock/boot; lock_shell >lock/session; owner >lock/owner.json; }
# The shell that has it, to be ended with all it started should its run be gone.
lock_shell() ( if hd_stat "$$"; then echo "$$ $began"; fi )
lock_free() { if [ "$(cat lock/token 2>/dev/null)" = "$token" ]; then mv lock "lock.done.$token" && rm -rf "lock.done.$token"; fi; }
held() { [ -e maintenance ] || [ -L maintenance ]; }
held_since() { date -u -r maintenance +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || :; }
held_why() { head -c 500 maintenance 2>/dev/null | tr -s '[:space:][:cntrl:]' ' ' || :; }
`}`

/** The runner takes it, unless somebody has it, or holds the application for maintenance. */
export const takeScript = sh`
umask 077; mkdir -p "$state"; cd "$state"
# Until the lease begins nobody would notice that the runner is gone.
lock_await() {
  turns=0
  while sleep 1; do
    [ ! -e lock/beat ] && [ "$(cat lock/token)" = "$token" ] || return 0
    turns=$((turns + 1)); [ "$turns" -lt 30 ] || { lock_free; return 0; }
  done
}
say_held() { printf 'held %s %s\n' "$(held_since)" "$(held_why)" >&3; }
if held; then say_held
elif ! lock_make; then echo busy >&3; cat lock/owner.json >&3 2>/dev/null || :
else
  lock_sign
  # Who holds it looks at the lock only after the file is there: one of the two sees the other.
  if held; then lock_free; say_held; else lock_await </dev/null >/dev/null 2>&1 3>&- & echo taken >&3; when_taken; fi
fi
`
