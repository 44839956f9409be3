import { sh } from '../shell.ts'
import { follow } from './questions.ts'

const functions = sh`
# As a run does, so that the host can tell when nobody is here any more.
keep_lock() {
  beats=0
  while kill -0 "$$" 2>/dev/null && [ "$(cat lock/token 2>/dev/null)" = "$token" ]; do
    beats=$((beats + 1)); echo "$beats" >lock/beat; : >lock/lease; sleep 5
  done 2>/dev/null
}
take_lock() {
  token=console-$$-$(date +%s)
  owner() { printf '{"run":"","actor":"%s, at the console","revision":"%s","since":"%s"}\n' "$actor" "$(release "$id" revision)" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"; }
  lock_make 3>/dev/null || fail "A deploy is under way: $(holder). Try again when it has ended."
  trap leave EXIT
  trap interrupted INT HUP TERM PIPE
  lock_sign || { rm -rf lock; fail 'The state directory cannot be written: is its disk full?'; }
  keep_lock </dev/null >/dev/null 2>&1 & keeper=$!
}
leave() {
  trap '' INT HUP TERM PIPE
  [ -z "$keeper" ] || kill "$keeper" 2>/dev/null
  rm -f "$state/console.sh" "$state/console.answer"
  cd "$state" && lock_free
}
interrupted() {
  trap '' INT HUP TERM PIPE
  say 'Interrupted.' >&2
  [ -n "$armed" ] || exit 130
  vote refused
  last_word
}
settle() {
  [ -e pending.json ] || return 0
  say "The change $(value pending.json id) never came to its end: it is settled first."
  [ ! -f work/settle.sh ] || /bin/sh "$work/settle.sh"
  [ ! -e pending.json ] || stuck
}
stuck() { fail "The way back failed. What it says is in the way: sh $work/restore.sh (it may be repeated). When all is well, remove $state/pending.json."; }

# Shows what the guard does until it is through with the phase $1, or for good without one.
watch() { ( phase=$1; offset=0; exec 3>"$state/console.answer"
FOLLOW
) </dev/null; }
answered() { sed -n "s/^$1 \{0,1\}//p" "$state/console.answer" 2>/dev/null | head -n 1; }
vote() { /bin/sh "$state/console.sh" "$1" 3>"$state/console.answer"; }
# What the guard made of it.
last_word() {
  if grep -qx none "$state/console.answer"; then rm -rf "$work"; fail 'Nothing was changed.'; fi
  word=$(answered verdict)
  for turn in 1 2 3; do
    [ -z "$word" ] || break
    watch ''
    word=$(answered verdict)
    # A guard that was killed is no reason to stay in the middle.
    [ -n "$word" ] || [ ! -f "$work/settle.sh" ] || { /bin/sh "$work/settle.sh"; word=$(cat verdict 2>/dev/null); word=\${word#"$id "}; }
  done
  case $word in
    confirmed*)
      say "$id runs now."
      /bin/sh "$state/console.sh" checks
      exit 0 ;;
    rolled-back*)
      if [ -s "$work/evidence" ]; then say 'Logs of the time:'; tail -n 40 "$work/evidence"; fi
      rm -rf "$work"
      fail "It did not work and was taken back: \${current:-what was there before} runs as before." ;;
    untouched*) rm -rf "$work"; fail 'Nothing was changed.' ;;
    *) stuck ;;
  esac
}

go() {
  find_release "$1"
  actor=$(login); armed=; keeper=
  take_lock
  settle
  # Who held the lock may have deployed, and removed what is old.
  current=$(cat current 2>/dev/null); find_release "$1"
  [ -f "releases/$id/again.sh" ] || fail "$id keeps no scripts to bring it about again: it was deployed by an earlier version of homelab-deploy. Use \`mode: rollback\`."
  say "From \${current:-what is there} to $id, which $(release "$id" actor) deployed at $(release "$id" at)."
  ( umask 077; sed -e "s/@HD-PREVIOUS@/$(plain "$current")/g" -e "s/@HD-PREVIOUS-REVISION@/$(plain "$(release "$current" revision)")/g" \
    -e "s/@HD-ACTOR@/$actor/g" -e "s/@HD-TOKEN@/$token/g" "releases/$id/again.sh" >console.sh ) || fail 'The state directory cannot be written: is its disk full?'
  armed=true
  /bin/sh "$state/console.sh" begin 3>/dev/null || {
    [ -e pending.json ] || armed=
    [ -n "$armed" ] || { rm -rf "$work"; fail 'Nothing was changed.'; }
    vote refused; last_word
  }
  for each in $(/bin/sh "$state/console.sh" phases); do
    watch "$each"
    code=$(answered code)
    if [ "$code" != 0 ] || [ -n "$(answered verdict)" ]; then
      [ -z "$code" ] || [ "$code" = 0 ] || say "$each ended with exit code $code: taking it back." >&2
      last_word
    fi
  done
  vote confirmed
  last_word
}
`

/**
 * How the program `rollback` brings a release about: the functions by which it is to the guard what the runner is. It
 * has the lock, gives signs of life, shows what the guard does, and has one vote. Its `console.sh` is the script that
 * the release keeps, with its blanks filled.
 */
export const consoleChange = functions.replace('FOLLOW', () => follow.trim())
