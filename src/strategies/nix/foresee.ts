import { assign, quote, sh } from '../../shell.ts'
import { type NixOptions, parseFlake } from './options.ts'

/**
 * What a deploy would do, found out by who may write nothing: Nix opens its database without a lock or a log, which it also
 * does for users who are not root; and what is not built yet is evaluated on a /nix that is in memory, in a mount
 * namespace that ends with the look.
 */
export const lookingFunctions = sh`
hd_look() { "$hd_nix" --extra-experimental-features 'nix-command read-only-local-store' --store 'local?read-only=true' "$@" </dev/null; }
hd_names() { sed 's|^.*/nix/store/[0-9a-z]*-||; s|\.drv$||'; }
hd_some() { awk '{ if (NR <= 8) text = text (NR > 1 ? ", " : "") $0 } END { print text (NR > 8 ? ", and " NR - 8 " more" : "") }'; }
# A system that is in the store already, against the one that runs.
hd_against() { # SYSTEM
  [ "$1" != "$(hd_running)" ] || return 0
  printf '~ another system: %s\n' "$(echo "$1" | hd_names)"
  hd_look store diff-closures "$(hd_running)" "$1" 2>/dev/null | tr -d '\033' | sed 's/\[[0-9;]*m//g; /^nixos-system-/d; /^unit-/d; s/^/~ /'
  [ -z "$hd_may" ] || hd_as_root "$1/bin/switch-to-configuration" dry-activate 2>&1 | hd_would
}
# What dry-activate says. A unit that is stopped and started is restarted.
hd_would() {
  awk '
    /^would [A-Za-z ]* the following (changed )?units: / {
      verb = ($2 == "NOT") ? "keep" : $2; sub(/^[^:]*: /, ""); count = split($0, units, /, */)
      for (i = 1; i <= count; i++) { said[verb, units[i]]; if (!(units[i] in seen)) { seen[units[i]]; order[++all] = units[i] } }
    }
    /^would restart systemd/ { print "~ systemd itself begins anew" }
    END {
      for (i = 1; i <= all; i++) {
        unit = order[i]
        if (("restart", unit) in said || (("stop", unit) in said && ("start", unit) in said)) print "down " unit " is restarted"
        else if (("stop", unit) in said) print "down " unit " is stopped"
        else if (("reload", unit) in said) print "~ " unit " is reloaded"
        else if (("start", unit) in said) print "+ " unit " is started"
        else print "~ " unit " changes, and is not restarted"
      }
    }'
}
`

/** With an empty /nix of its own above the real one: FOLDER of memory, nix, where the flake lies (or nothing), and the words of the command. */
const inMemory = sh`
set -eu
memory=$1 nix=$2 folder=$3; shift 3
PATH=$PATH:/run/current-system/sw/bin
{ mount -t tmpfs -o mode=755 tmpfs "$memory" && mkdir "$memory/up" "$memory/work" "$memory/home" &&
  mount -t overlay overlay -o "lowerdir=/nix,upperdir=$memory/up,workdir=$memory/work" /nix; } 2>/dev/null || exit 97
HOME=$memory/home; XDG_CACHE_HOME=$HOME; NIX_REMOTE=local; export PATH HOME XDG_CACHE_HOME NIX_REMOTE
# The repository of somebody else, which root may read all the same.
printf '[safe]\n\tdirectory = *\n' >"$HOME/.gitconfig"
[ -z "$folder" ] || cd -- "$folder"
exec timeout 240 "$nix" --extra-experimental-features 'nix-command flakes' "$@" </dev/null
`

const evaluate = sh`
# What would be the tree of the release is so far a picture, which has links to what stays and lacks what is large.
hd_whole() { # FOLDER
  mkdir -p "$1" || return 1
  ! grep -q '^[FDL] ' "$work/new" || return 1
  sed -n 's/^d [^ ]* [^ ]* //p' "$work/new" | tr '\n' '\0' | (cd -- "$1" && xargs -0 -r mkdir -p --) || return 1
  sed -n 's|^f [^ ]* [^ ]* |./|p' "$work/new" >"$work/nix.files"
  (cd -- "$release/tree" && tar -chf - --no-recursion -T "$work/nix.files") 2>/dev/null | tar -xf - -C "$1" || return 1
  [ "$(find "$1" -type f | wc -l)" = "$(wc -l <"$work/nix.files")" ] || return 1
  sed -n 's/^l [^ ]* [^ ]* //p' "$work/new" | while IFS= read -r hd_line; do ln -s -- "\${hd_line##*//}" "$1/\${hd_line%%//*}" || exit 1; done || return 1
  [ -z "$(sed -n 's/^ //p' "$work/put" | while IFS= read -r hd_line; do find "$1/$hd_line" -type f -size +256k 2>/dev/null; done)" ]
}
hd_evaluate() { # ARGUMENTS...
  hd_folder=
  if [ -n "$hd_flake_url" ]; then hd_flake=$hd_flake_url; else
    hd_place
    if [ "$hd_folder" = "$release/tree" ]; then hd_whole "$work/nix.tree" || return 97; hd_folder=$work/nix.tree; fi
  fi
  [ "$(id -u)" = 0 ] || [ -n "$hd_any" ] || return 97
  mkdir -p "$work/nix.memory" || return 97
  hd_attribute="nixosConfigurations.\"$(hd_name)\".config.system.build.toplevel"
  hd_as_root unshare --mount --propagation private /bin/sh -c "$hd_in_memory" sh "$work/nix.memory" "$hd_nix" "$hd_folder" \
    build --dry-run --json --no-link --no-update-lock-file "$@" "$hd_flake#$hd_attribute"
}
hd_list() { awk -v word="$1" '/^(this|these) .*will be / { on = index($0, word) > 0; next } /^ +\/nix\/store\// && on { print $1; next } { on = 0 }' "$work/nix.said" | hd_names; }
hd_code=0
hd_evaluate "$@" >"$work/nix.json" 2>"$work/nix.said" || hd_code=$?
hd_out=$(sed -n 's/.*"out":"\([^"]*\)".*/\1/p' "$work/nix.json")
if [ "$hd_code" = 97 ] || [ "$hd_code" = 124 ] || grep -q 'No space left on device\|unshare: ' "$work/nix.said"; then
  echo '~ the system is built from the flake; what it changes is known once it is built (as root, or with build-on: runner, the plan tells more)'
elif [ "$hd_code" != 0 ] || [ -z "$hd_out" ]; then cat "$work/nix.said" >&2; hd_failed build "$hd_flake#$hd_attribute"; exit 1
elif [ "$hd_out" = "$(hd_running)" ]; then :
elif hd_look path-info "$hd_out" >/dev/null 2>&1; then hd_against "$hd_out"
else
  printf '~ another system: %s\n' "$(echo "$hd_out" | hd_names)"
  hd_list built | sed -n 's/^unit-\(.*\)$/~ unit \1 is built anew/p'
  hd_list built | grep -v '^unit-' | hd_some | sed '/^$/d; s/^/~ to be built: /'
  hd_size=$(sed -n 's/^th.* will be fetched (\([^,]*\) download.*$/ (\1)/p' "$work/nix.said")
  hd_list fetched | hd_some | sed "/^\$/d; s|^|~ to be fetched$hd_size: |"
fi >&3
`

const prebuilt = sh`
if hd_look path-info "$hd_flake_system" >/dev/null 2>&1; then hd_against "$hd_flake_system"
else echo "~ the system is fetched: $hd_flake_system"; fi >&3
`

const restarts = 'for unit in $(hd_units); do echo "down $unit is restarted" >&3; done\n'

/** What the runner builds, it compares itself. */
export function foresee({ flake, args, buildOn }: NixOptions): string {
  if (parseFlake(flake).system !== undefined) return `${lookingFunctions}${prebuilt}${restarts}`
  if (buildOn === 'runner') return restarts
  const head = `${lookingFunctions}${assign({ hd_in_memory: inMemory })}set -- ${args.map(quote).join(' ')}\n`
  return `${head}${restarts}${evaluate}`
}
