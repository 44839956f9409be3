import { lockScript } from '../remote/lock-script.ts'
import { remotePath } from '../remote/session.ts'
import { assign, sh } from '../shell.ts'
import { consoleChange } from './console-change.ts'

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
${lockScript}${consoleChange}${program}`
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
