import { sh } from '../../shell.ts'

/**
 * What a deploy would do. A system that is built already tells all of it; one that is not would have to be built, which
 * a plan does not do.
 */
export const foresee = sh`
if [ -n "$hd_flake_system" ] && "$hd_nix_bin/nix-store" --check-validity "$hd_flake_system" 2>/dev/null; then
  if [ "$hd_flake_system" != "$(hd_running)" ]; then
    hd_nix_tool store diff-closures "$(hd_running)" "$hd_flake_system" 2>/dev/null </dev/null | tr -d '\033' | sed 's/\[[0-9;]*m//g; s/^/~ /' >&3
    [ -n "$hd_rebuild" ] || hd_as_root "$hd_flake_system/bin/switch-to-configuration" dry-activate 2>&1 | sed -n 's/^would \(stop\|restart\|reload\|start\) the following units: /down \1: /p' >&3
  fi
elif [ -n "$hd_flake_system" ]; then echo "~ the system is fetched: $hd_flake_system" >&3
else echo '~ the system is built from the flake; what it changes is known once it is built' >&3; fi
for unit in $(hd_units); do echo "down $unit is restarted" >&3; done
`
