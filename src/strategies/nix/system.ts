import { sh } from '../../shell.ts'
import { asRoot } from '../as-root.ts'

/**
 * The shell functions about systems: which one runs and which would be booted, how one takes the place of another, and
 * how nobody's garbage collection takes it. Wants what `activationScripts` assigns.
 */
export const systemFunctions = `${asRoot}${sh`
hd_profile=/nix/var/nix/profiles/system
hd_code=0
hd_note() { printf 'homelab-deploy: %s\n' "$1"; }
hd_failed() { printf 'hd-nix: %s\t%s\n' "$1" "$(printf %s "$2" | tr '\n' ' ')" >&2; }
hd_running() { readlink -f /run/current-system 2>/dev/null || :; }
hd_next() { readlink -f "$hd_profile" 2>/dev/null || :; } # what would be booted
hd_new() { readlink -- "$release/nix/system" 2>/dev/null || :; }
hd_generation() { readlink "$hd_profile" 2>/dev/null | sed -n 's/^.*system-\([0-9]*\)-link$/\1/p'; }
hd_ill() {
  systemctl list-units --state=failed,auto-restart --plain --no-legend --no-pager 2>/dev/null </dev/null | awk '{ print $1, $4 }' | while read -r hd_one hd_sub; do
    # Who ended well and is started again has not failed.
    [ "$hd_sub" != auto-restart ] || [ "$(systemctl show -p ExecMainStatus --value -- "$hd_one" 2>/dev/null </dev/null)" != 0 ] || continue
    printf '%s\n' "$hd_one"
  done | LC_ALL=C sort
}
hd_hold() { # LINK SYSTEM: for as long as LINK is there, no garbage collection takes SYSTEM
  mkdir -p -- "$(dirname -- "$1")" && "$hd_nix_bin/nix-store" --realise "$2" --add-root "$1" --indirect >/dev/null
}
hd_activate() { # VERB SYSTEM
  if [ -z "$hd_rebuild" ]; then
    # Its group is written down first; sudo may have given it one of its own.
    hd_as_root /bin/sh -c 'read -r stat </proc/$$/stat; echo "\${stat##*) }" >"$1"; exec "$2" "$3"' sh "$work/nix.group" "$2/bin/switch-to-configuration" "$1"
    return
  fi
  # Every nixos-rebuild knows flakes, and only new ones store paths; this flake is the system that is there already. Some
  # begin by looking in it for a newer nixos-rebuild, and end where there is none: they find the one that they are.
  hd_own=$(readlink -f "$hd_rebuild"); hd_own=\${hd_own%/bin/*}
  case $hd_own in /nix/store/*) hd_own="config.system.build.nixos-rebuild = builtins.storePath \"$hd_own\";" ;; *) hd_own= ;; esac
  rm -rf "$work/nix.flake" && mkdir -p "$work/nix.flake" || return 1
  printf '{ outputs = _: { nixosConfigurations.system = { %s config.system.build.toplevel = builtins.storePath "%s"; }; }; }\n' "$hd_own" "$2" >"$work/nix.flake/flake.nix"
  (cd -- "$work/nix.flake" && hd_as_root "$hd_rebuild" "$1" --flake path:.#system --impure)
}
# Another one is at it: its lock is taken (11), or the unit that nixos-rebuild wants to run it in.
hd_busy() { [ "$hd_code" = 11 ] || { [ "$hd_code" = 1 ] && [ -n "$hd_rebuild" ] && [ -n "$(hd_units_of_rebuild)" ]; }; }
hd_units_of_rebuild() { systemctl list-units --state=active,activating,deactivating --plain --no-legend --no-pager 'nixos-rebuild-switch-to-configuration*.service' 2>/dev/null </dev/null | awk '{ print $1 }'; }
# Into $hd_code what switch-to-configuration said.
hd_switch() { # VERB SYSTEM SECONDS
  hd_turns=0
  while hd_code=0; hd_activate "$1" "$2" || hd_code=$?; hd_busy && [ "$hd_turns" -lt "$3" ]; do
    [ "$hd_turns" != 0 ] || echo 'Another activation is at it; waiting for its end.'
    sleep 1; hd_turns=$((hd_turns + 1))
  done
}
hd_boot() { # SYSTEM: from now on it is what boots. nixos-rebuild sets the profile itself.
  if [ -z "$hd_rebuild" ] && [ "$(hd_next)" != "$1" ]; then hd_as_root "$hd_nix_bin/nix-env" -p "$hd_profile" --set "$1" || return 1; fi
  hd_switch boot "$1" 120
  [ "$hd_code" = 0 ]
}
hd_boot_as_before() {
  hd_before=$(cat "$work/nix.next"); hd_number=$(cat "$work/nix.generation")
  [ -n "$hd_before" ] && { [ "$(hd_next)" != "$hd_before" ] || [ -e "$work/nix.boots" ]; } || return 0
  if [ -z "$hd_rebuild" ] && [ -n "$hd_number" ] && [ "$(readlink -f "$hd_profile-$hd_number-link")" = "$hd_before" ]; then
    hd_as_root "$hd_nix_bin/nix-env" -p "$hd_profile" --switch-generation "$hd_number" || return 1
  fi
  hd_boot "$hd_before" && rm -f "$work/nix.boots"
}
# What is left of an activation that was ended half-way, and holds its lock: only root can end it, and its group tells it.
hd_end_activation() {
  # The unit of nixos-rebuild outlives it.
  if [ -n "$hd_rebuild" ] && [ -n "$hd_may" ]; then
    for hd_unit in $(hd_units_of_rebuild); do
      case $(systemctl show -p ExecStart "$hd_unit" 2>/dev/null) in *"$(hd_new)/bin/switch-to-configuration"*) hd_as_root systemctl kill -s KILL "$hd_unit" || : ;; esac
    done
  fi
  read -r _ _ hd_group _ 2>/dev/null <"$work/nix.group" || return 0
  cmp -s "$work/nix.boot-id" /proc/sys/kernel/random/boot_id || return 0
  # A number is not given anew while a group bears it.
  case $({ tr '\0' ' ' <"/proc/$hd_group/cmdline"; } 2>/dev/null) in '' | *"$work/phase/"* | *switch-to-configuration*) ;; *) return 0 ;; esac
  read -r hd_stat <"/proc/$$/stat"; set -- \${hd_stat##*) }
  [ "$3" != "$hd_group" ] || return 0
  for hd_signal in TERM 0 0 KILL 0; do
    hd_as_root kill -s "$hd_signal" -- "-$hd_group" 2>/dev/null || return 0
    sleep 1
  done
}
`}`
