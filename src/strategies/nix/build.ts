import type { Facts } from '../../remote/facts.ts'
import { assign, quote, sh } from '../../shell.ts'
import { type NixOptions, parseFlake } from './options.ts'

/**
 * The system, built or fetched while the old one serves; in the end `$release/nix/system` is a link to it that keeps it
 * from garbage collection. What the runner has built, it has written down in `$release/nix/built`.
 */
const functions = sh`
hd_nix_tool() { "$hd_nix" --extra-experimental-features 'nix-command flakes' "$@"; }
# The folder of the flake, and how Nix is to see it: what git knows of a repository, all of it from its root; or all that is
# there. A tree of a release has no history, and holds only what was sent.
hd_place() {
  hd_dir=
  if [ -n "$hd_flake_folder" ]; then hd_folder=$hd_flake_folder
  elif [ -d "$release/tree" ]; then hd_folder=$release/tree; hd_dir=$hd_flake_dir
  else hd_folder=$path/$hd_flake_dir; fi
  if [ "$hd_folder" != "$release/tree" ] && hd_git rev-parse --show-toplevel >/dev/null 2>&1; then hd_flake=.; return; fi
  if [ "$hd_folder" = "$path/$hd_flake_dir" ]; then hd_folder=$path; hd_dir=$hd_flake_dir; fi
  hd_flake=path:.\${hd_dir:+?dir=$hd_dir}
}
hd_git() { git -c safe.directory='*' -C "$hd_folder" "$@" </dev/null; }
# Git, and with it Nix, reads the repository of somebody else only as that user.
hd_as_owner() {
  hd_owner=$(stat -c %U "$hd_folder" 2>/dev/null) || hd_owner=
  if [ "$hd_flake" != . ] || [ -z "$hd_owner" ] || [ "$hd_owner" = "$(id -un)" ]; then "$@"
  elif [ "$(id -u)" = 0 ] && command -v runuser >/dev/null 2>&1; then runuser -u "$hd_owner" -- env HOME="$(hd_home "$hd_owner")" "$@"
  elif [ -n "$hd_any" ]; then sudo -n -H -u "$hd_owner" -- "$@"
  else "$@"; fi
}
hd_home() { (getent passwd "$1" || grep "^$1:" /etc/passwd) | cut -d: -f6; }
hd_name() { if [ -n "$hd_flake_name" ]; then printf '%s\n' "$hd_flake_name"; else cat /proc/sys/kernel/hostname; fi; }
hd_run_nix() { # VERB ARGUMENTS...
  hd_verb=$1; shift
  [ -n "$hd_flake_url" ] || cd -- "$hd_folder" || return 1
  hd_as_owner "$hd_nix" --extra-experimental-features 'nix-command flakes' $hd_verb --no-update-lock-file "$@" </dev/null
}
`

const build = sh`
mkdir -p "$release/nix"
hd_system=$(hd_new)
if [ -n "$hd_system" ] && "$hd_nix_bin/nix-store" --check-validity "$hd_system" 2>/dev/null; then :
elif [ -s "$release/nix/built" ]; then hd_hold "$release/nix/system" "$(cat "$release/nix/built")"
elif [ -n "$hd_flake_system" ]; then hd_hold "$release/nix/system" "$hd_flake_system" || { hd_failed prebuilt "$hd_flake_system"; exit 1; }
else
  if [ -n "$hd_flake_url" ]; then hd_flake=$hd_flake_url; else hd_place; fi
  if [ -n "$hd_check" ]; then echo "nix flake check"; (hd_run_nix 'flake check' "$@" "$hd_flake") || { hd_failed check "$hd_flake"; exit 1; }; fi
  hd_attribute="nixosConfigurations.\"$(hd_name)\".config.system.build.toplevel"
  echo "nix build $hd_flake#$hd_attribute"
  hd_out=$(hd_run_nix build --no-link --print-out-paths "$@" "$hd_flake#$hd_attribute") || { hd_failed build "$hd_flake#$hd_attribute"; exit 1; }
  hd_hold "$release/nix/system" "$hd_out"
fi
hd_system=$(hd_new)
[ -x "$hd_system/bin/switch-to-configuration" ] || { hd_failed system "$hd_system"; exit 1; }
hd_for=$(cat "$hd_system/system" 2>/dev/null) || hd_for=
case $hd_for in '' | "$hd_arch"-*) ;; *) hd_failed machine "$hd_for $hd_arch"; exit 1 ;; esac
hd_now=$(hd_running)
if [ "$hd_now" = "$hd_system" ]; then hd_note 'the system is the one that runs'
else
  { hd_nix_tool store diff-closures "$hd_now" "$hd_system" 2>/dev/null </dev/null || :; } | tr -d '\033' | sed 's/\[[0-9;]*m//g' >"$work/nix.packages"
  cat "$work/nix.packages"
  hd_count=$(wc -l <"$work/nix.packages")
  [ "$hd_count" = 0 ] || hd_note "packages: $(head -n 8 "$work/nix.packages" | tr '\n' ';' | sed 's/;$//; s/;/; /g')$([ "$hd_count" -le 8 ] || echo "; and $((hd_count - 8)) more")"
  hd_needs=0
  for hd_kind in kernel initrd kernel-modules; do
    [ -e "$hd_system/$hd_kind" ] || continue
    hd_one=$(readlink -f "$hd_system/$hd_kind")
    [ "$hd_one" != "$(readlink -f "/run/booted-system/$hd_kind" 2>/dev/null)" ] || continue
    [ "$hd_needs" != 0 ] || hd_note "a reboot is needed for all of it: another $hd_kind than the one that was booted"
    [ -d "$hd_one" ] || [ "$hd_one" = "$(readlink -f "$hd_now/$hd_kind" 2>/dev/null)" ] || hd_needs=$((hd_needs + $(stat -Lc %s "$hd_one") / 1024 + 1))
  done
  # Where it is a partition of its own, the boot loader copies them there.
  for hd_boot in /boot /efi /boot/efi; do
    [ "$hd_needs" != 0 ] && [ -d "$hd_boot" ] && [ "$(stat -c %d "$hd_boot")" != "$(stat -c %d /)" ] || continue
    hd_free=$(df -P -k "$hd_boot" | awk 'NR == 2 { print $4 }')
    [ "$hd_free" -ge "$hd_needs" ] || { hd_failed space "$hd_boot $hd_needs $hd_free"; exit 1; }
    break
  done
fi
`

export interface Build {
  /** Comes after the head of the activation. */
  readonly head: string
  readonly build: string
}

export function buildScripts({ flake, args, check }: NixOptions, facts: Facts): Build {
  const { dir = '', folder = '', url = '', system = '', name } = parseFlake(flake)
  const values = assign({
    hd_nix: facts.tools['nix']?.path ?? '/run/current-system/sw/bin/nix',
    hd_flake_dir: dir,
    hd_flake_folder: folder,
    hd_flake_url: url,
    hd_flake_system: system,
    hd_flake_name: name,
    hd_check: check ? 'true' : '',
    hd_any: facts.sudo === 'any' ? 'true' : '',
    hd_arch: facts.arch,
  })
  return { head: values + functions, build: `set -- ${args.map(quote).join(' ')}\n${build}` }
}
