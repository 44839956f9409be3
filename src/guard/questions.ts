import { assign, sh } from '../shell.ts'

/**
 * Shell that shows the log as it grows, from $offset on, until the phase ended, the verdict came, or the guard is
 * gone. Says on descriptor 3 how far it got, and why it stopped.
 */
export const follow = sh`
cd -- "$work" 2>/dev/null || { echo gone >&3; exit 0; }
log=log.\${phase:-restore}
emit() {
  [ -s "$log" ] || return 0
  size=$(wc -c <"$log")
  [ "$size" -gt "$offset" ] || return 0
  tail -c "+$((offset + 1))" "$log" | head -c "$((size - offset))" >&2
  offset=$size; echo "offset $offset" >&3
}
# One that was just started may need some seconds until it says its number.
alive() { read -r pid 2>/dev/null <pid || pid=; if [ -z "$pid" ]; then [ "$turns" -lt 100 ]; return; fi; { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qxF "$work/guard.sh"; }
turns=0
until [ -e verdict ] || { [ -n "$phase" ] && [ -e "done.$phase" ]; }; do
  emit
  turns=$((turns + 1))
  if [ $((turns % 20)) = 0 ] && ! alive && [ ! -e verdict ]; then echo dead >&3; break; fi
  if [ "$turns" -lt 25 ]; then sleep 0.02; elif [ "$turns" -lt 60 ]; then sleep 0.05; else sleep 0.25; fi
done
emit
[ ! -e expired ] || echo expired >&3
[ -z "$phase" ] || [ ! -e "done.$phase" ] || echo "code $(cat "done.$phase")" >&3
[ ! -e verdict ] || echo "verdict $(cat verdict)" >&3
`

/**
 * Shell: the last word on a change, with the logs that explain it, outlives its work directory, where it is found when
 * the answer was lost on its way. It bears the id of its change, or else a change that never began would be taken for
 * the one before it.
 */
export const verdictScript = sh`
# In one piece, so that nobody who comes to it meanwhile takes half of it for a change; a guard that has not seen it yet
# may write there once more.
drop_work() {
  cd /
  mv "$work" "$state/work.done.$$" 2>/dev/null || return 0
  rm -rf "$state/work.done.$$" 2>/dev/null || { sleep 1; rm -rf "$state/work.done.$$"; }
}
keep_verdict() {
  # Nothing where somebody else has just done so.
  word=$(cat "$work/verdict" 2>/dev/null) || return 0
  if [ -s "$work/evidence" ]; then mv -f "$work/evidence" "$state/evidence"
  elif [ -e "$work/verdict" ]; then rm -f "$state/evidence"; fi
  printf '%s %s\n' "$id" "$word" >"$state/verdict.new" && mv -f "$state/verdict.new" "$state/verdict"
}
# What was seen when it failed; it is told once.
say_evidence() {
  if [ "$(cat "$work/id" 2>/dev/null)" = "$id" ]; then [ ! -s "$work/evidence" ] || cat "$work/evidence" >&3
  elif read -r of _ 2>/dev/null <"$state/verdict" && [ "$of" = "$id" ] && [ -s "$state/evidence" ]; then cat "$state/evidence" >&3; rm -f "$state/evidence"
  fi
}
# A lock whose run is gone keeps nobody out, once no change is open any more.
free_lock() {
  [ ! -e "$state/pending.json" ] || return 0
  if [ "$(cat "$state/lock/beat" 2>/dev/null)" != gone ]; then [ -n "\${1-}" ] && [ "$(cat "$state/lock/token" 2>/dev/null)" = "$1" ] || return 0; fi
  if mv "$state/lock" "$state/lock.left.$$" 2>/dev/null; then rm -rf "$state/lock.left.$$"; fi
}
say_verdict() {
  if [ -e "$work/verdict" ] && [ "$(cat "$work/id" 2>/dev/null)" = "$id" ]; then echo "verdict $(cat "$work/verdict")" >&3
  elif read -r of end 2>/dev/null <"$state/verdict" && [ "$of" = "$id" ]; then echo "verdict $end" >&3
  else return 1; fi
}
`

/** Shell by which the runner asks for the logs, and clears up. */
export const collect = `${verdictScript}${sh`
say_evidence
grep '^homelab-deploy: ' "$work/log.restore" 2>/dev/null || :
if [ "$(cat "$work/id" 2>/dev/null)" = "$id" ]; then
  case $(cat "$work/verdict" 2>/dev/null) in rollback-failed*) ;; *) rm -f "$work/evidence"; keep_verdict; drop_work ;; esac
fi
`}`

/** Shell by which the runner says that a host is healthy, and has to wait for the others. */
export const hold = (state: string, id: string): string =>
  `${assign({ state, work: `${state}/work`, id })}${verdictScript}${sh`
guarded() { read -r pid 2>/dev/null <"$work/pid" && { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qxF "$work/guard.sh"; }
if [ -e "$work/open" ] && guarded; then : >"$work/held"; echo held >&3; else say_verdict || echo over >&3; fi
`}`

/** Shell by which the runner decides: one rename, which succeeds only where nobody decided before. */
export const decide = (state: string, id: string, decision: 'confirmed' | 'refused', code = ''): string =>
  `${assign({ state, work: `${state}/work`, id, decision, code })}${verdictScript}${sh`
if [ ! -e "$state/pending.json" ]; then
  # None where no guard was ever started; with one, the last word may be a moment away.
  say_verdict || { [ "$(cat "$work/id" 2>/dev/null)" = "$id" ] && [ -e "$work/pid" ]; } || echo none >&3
  exit 0
fi
cd -- "$work"
# A change that is not made yet can be refused, not confirmed.
if [ "$decision" = confirmed ] && [ "$(cat done.apply 2>/dev/null)" != 0 ]; then echo early >&3; exit 0; fi
[ -z "$code" ] || printf '%s\n' "$code" >code
if mv open "$decision" 2>/dev/null; then echo decided >&3; else echo late >&3; fi
if [ -e confirmed ] && [ ! -e verdict ]; then /bin/sh "$work/confirm.sh" >>log.confirm 2>&1 && echo confirmed >verdict.new && mv -f verdict.new verdict; fi
grep '^homelab-deploy: ' log.confirm 2>/dev/null >&3 || :
say_verdict
case $(cat verdict 2>/dev/null) in confirmed) keep_verdict && drop_work && free_lock ;; esac
`}`
