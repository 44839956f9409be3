import { lockScript } from '../remote/lock-script.ts'
import { remotePath } from '../remote/session.ts'
import { assign, sh } from '../shell.ts'
import { follow } from './questions.ts'

/**
 * What a release keeps so that somebody at the console can bring it about again. Each blank stands for what only that
 * moment knows, and is filled with letters, digits, `.`, `_` and `-` alone.
 */
export const blanks = {
  previous: '@HD-PREVIOUS@',
  previousRevision: '@HD-PREVIOUS-REVISION@',
  actor: '@HD-ACTOR@',
  token: '@HD-TOKEN@',
} as const

/**
 * The program `rollback` of the state directory, for a person at the console of the host, with neither network nor
 * GitHub. It holds no way to change anything: it takes the lock as a run does, and lets the script that the release
 * keeps arm the guard as a run does; then it is to the guard what the runner is, who follows, and has one vote.
 */
export function consoleScript(state: string, name: string, home: string): string {
  return `#!/bin/sh
# Goes back to another release, at the console of this host. \`rollback help\` tells more.
# Part of homelab-deploy, which writes it anew with each deploy.
unset CDPATH ENV BASH_ENV
${assign({ name, state, work: `${state}/work`, HOME: home, places: remotePath })}export HOME
PATH=$places:$PATH; export PATH
${lockScript}${program.replace('FOLLOW', () => follow.trim())}`
}

const program = sh`
say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
plain() { printf %s "$1" | tr -cd 'A-Za-z0-9._-'; }
value() { grep -o "\"$2\":\"[^\"]*\"" "$1" 2>/dev/null | head -n 1 | cut -d '"' -f 4 | tr -d '[:cntrl:]'; }
release() { value "$state/releases/$1/record.json" "$2"; }
releases() { for dir in $(ls -r "$state/releases" 2>/dev/null); do [ ! -f "$state/releases/$dir/record.json" ] || echo "$dir"; done; }
# Who sits there: sudo and su change who one is, not who one was.
login() { plain "\${SUDO_USER:-\${DOAS_USER:-$(logname 2>/dev/null || id -un)}}"; }
holder() {
  who=$(value lock/owner.json run); [ -n "$who" ] || who=$(value lock/owner.json actor)
  say "\${who:-somebody who left no name} (since $(value lock/owner.json since))"
}
show_hold() { say "Held for maintenance since $(held_since): $(held_why)"; }

usage() {
  say "Usage: $0 [list]             the releases of $name, and which one runs
       $0 ID                 goes to that release; the beginning of a commit will do
       $0 previous           goes to the release before the one that runs
       $0 hold [REASON]      no deploy and no rollback begins, but those made here
       $0 release            lets them begin again"
}

list() {
  current=$(cat current 2>/dev/null)
  [ -n "$(releases)" ] || fail "This host has no release of $name."
  printf '%-28s %-20s %-12s %s\n' RELEASE DEPLOYED COMMIT BY
  for id in $(releases); do
    at=$(release "$id" at); revision=$(release "$id" revision); runs=
    [ "$id" != "$current" ] || runs='  <- runs now'
    printf '%-28s %-20s %-12s %s\n' "$id" "\${at%.*}" "$(printf %.12s "$revision")" "$(release "$id" actor)$runs"
  done
  [ ! -d lock ] || say "A deploy is under way: $(holder)"
  [ ! -e pending.json ] || say "A change is open: $(value pending.json id)"
  ! held || show_hold
}

find_release() { # Into $id.
  id=
  if [ "$1" = previous ]; then
    seen=; [ -f "releases/$current/record.json" ] || seen=true
    for each in $(releases); do
      if [ -n "$seen" ]; then id=$each; return; fi
      [ "$each" != "$current" ] || seen=true
    done
    list >&2; fail 'There is no earlier release to go back to.'
  fi
  for each in $(releases); do [ "$each" != "$1" ] || { id=$1; return; }; done
  [ "\${#1}" -ge 4 ] || fail "$1 is too short: four characters at least."
  for each in $(releases); do
    case $each in "$1"*) id=$each; return ;; esac
    case $(release "$each" revision) in "$1"*) id=$each; return ;; esac
  done
  list >&2; fail "No release matches $1."
}

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
  trap interrupted INT HUP TERM
  lock_sign || fail 'The state directory cannot be written: is its disk full?'
  keep_lock </dev/null >/dev/null 2>&1 & keeper=$!
}
leave() {
  trap '' INT HUP TERM
  [ -z "$keeper" ] || kill "$keeper" 2>/dev/null
  rm -f "$state/console.sh" "$state/console.answer"
  cd "$state" && lock_free
}
interrupted() {
  trap '' INT HUP TERM
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
  [ -f "releases/$id/again.sh" ] || fail "$id keeps no scripts to bring it about again: it was deployed by an earlier version of homelab-deploy. Use \`mode: rollback\`."
  take_lock
  settle
  # Who held the lock may have deployed, and removed what is old.
  current=$(cat current 2>/dev/null); before=$current
  [ -f "releases/$id/again.sh" ] || fail "$id is gone: a deploy that has just ended did not keep it."
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

hold() {
  if held; then show_hold; fail 'It is held already.'; fi
  ( umask 077; printf '%s (%s)\n' "\${*:-no reason given}" "$(login)" >maintenance.new && mv maintenance.new maintenance ) || fail 'The state directory cannot be written.'
  say "Held: deploys and rollbacks of $name wait until \"$0 release\"."
  [ ! -d lock ] || say "One is under way and goes on to its end: $(holder)"
}
lift() {
  held || { say 'Nobody holds it.'; exit 0; }
  rm -f maintenance || exit 1
  say "Deploys of $name may begin again."
}

cd "$state" || exit 1
user=$(stat -c %U .); uid=$(id -u)
[ "$(stat -c %u .)" = "$uid" ] || fail "This belongs to $user: sudo -u $user $0 $*"
[ ! -d "/run/user/$uid" ] || { XDG_RUNTIME_DIR=/run/user/$uid; export XDG_RUNTIME_DIR; }
current=$(cat current 2>/dev/null)
case \${1-list} in
  list) list ;;
  hold) shift; hold "$@" ;;
  release) lift ;;
  help | -*) usage ;;
  *) [ $# = 1 ] || { usage >&2; exit 2; }; go "$1" ;;
esac
`
