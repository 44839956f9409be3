import type { Facts } from '../../remote/facts.ts'
import { assign, sh } from '../../shell.ts'
import { systemFunctions } from './system.ts'

/**
 * A NixOS system takes the place of another, in the one order that a power cut cannot break: `test` (the boot loader
 * still starts the old system), health, the vote, and only then the profile and the boot loader.
 *
 *   $release/nix/system      the new system: a link that keeps it from garbage collection; whoever builds makes it
 *                            (`hd_hold "$release/nix/system" STORE-PATH`)
 *   $release/nix/generation  its number in the system profile, once it is confirmed
 *   $work/nix.*              what ran before, as absolute paths, held likewise until the change is over
 */
const snapshot = sh`
rm -rf "$work"/nix.*
hd_running >"$work/nix.was"
hd_next >"$work/nix.next"
hd_generation >"$work/nix.generation"
hd_ill >"$work/nix.ill"
cp /proc/sys/kernel/random/boot_id "$work/nix.boot-id" 2>/dev/null || :
hd_hold "$work/nix.system" "$(hd_running)"
`

const apply = sh`
hd_system=$(hd_new)
if [ "$(hd_running)" = "$hd_system" ]; then hd_note 'the system is the one that runs already'
else
  : >"$work/nix.applied"
  if [ "$hd_verb" != test ]; then : >"$work/nix.boots"; fi
  hd_switch "$hd_verb" "$hd_system" 10
  # Where no health check does, this looks whether all that was started lasts.
  [ -n "$hd_judged" ] || sleep 5
  hd_ill >"$work/nix.ill.new"
  hd_fell=$(LC_ALL=C comm -13 "$work/nix.ill" "$work/nix.ill.new" | tr '\n' ' ' | sed 's/ $//')
  # An old nixos-rebuild says 1 for everything.
  if [ "$hd_code" = 1 ] && [ -n "$hd_rebuild" ] && [ -n "$hd_fell" ] && [ "$(hd_running)" = "$hd_system" ]; then hd_code=4; fi
  # Units that fail after it hide that the activation script did.
  if [ "$hd_code" = 4 ] && grep -qs '^Failed to run activate script' "$work"/log.*; then hd_code=2; fi
  case $hd_code in
    0 | 4) if [ -z "$hd_fell" ]; then
        if [ "$hd_code" = 0 ]; then :
        elif [ -s "$work/nix.ill.new" ]; then hd_note 'the units that failed had failed before'
        else hd_note 'warning: the new system runs, and not all of its units could be started or reloaded: the log of this step names them'; fi
      elif [ -n "$hd_judged" ]; then hd_note "warning: the new system runs, and these units failed: \${hd_fell}(health decides)"
      else hd_failed 4 "$hd_fell"; exit 4; fi ;;
    *) hd_failed "$hd_code" "$hd_fell"; exit "$hd_code" ;;
  esac
  [ "$(hd_running)" = "$hd_system" ] || { hd_failed other "$(hd_running)"; exit 1; }
fi
`

/** What counts is what runs in the end: units of the old system may be as ill as they were. */
const restore = sh`
hd_was=$(cat "$work/nix.was" 2>/dev/null) || hd_was=
if [ -n "$hd_was" ]; then
  hd_end_activation
  hd_back=
  [ "$(hd_running)" = "$hd_was" ] || hd_back=true
  # Half an activation may have stopped units before it came to say what runs.
  if [ -e "$work/nix.applied" ] && cmp -s "$work/nix.boot-id" /proc/sys/kernel/random/boot_id; then hd_back=true; fi
  if [ -n "$hd_back" ]; then
    hd_switch test "$hd_was" 300
    [ "$(hd_running)" = "$hd_was" ] || { hd_failed "$hd_code" "$hd_was"; echo "The old system could not be activated: $hd_was/bin/switch-to-configuration test" >&2; exit 1; }
  fi
  hd_boot_as_before || { echo "What boots next could not be set back to $(cat "$work/nix.next")" >&2; exit 1; }
fi
`

/** Confirmed: it runs, and now it is what boots as well. When the power went after the vote, it does not run yet. */
const keep = sh`
hd_system=$(hd_new)
[ "$(hd_running)" = "$hd_system" ] || hd_switch test "$hd_system" 120
if [ "$(hd_next)" != "$hd_system" ] || [ -e "$work/nix.boots" ]; then
  : >"$work/nix.boots"
  if hd_boot "$hd_system"; then rm -f "$work/nix.boots" "$release/nix/unbootable"
  else
    hd_boot_as_before || :
    echo "$hd_code" >"$release/nix/unbootable"
    hd_note "warning: the new system runs, but the boot loader could not be written (exit code $hd_code; is /boot full?): a reboot starts the one before"
  fi
fi
[ -e "$release/nix/unbootable" ] || hd_generation >"$release/nix/generation"
`

const inspect = sh`
hd_short() { printf '%s\n' "$1" | sed 's|^/nix/store/[0-9a-z]*-||'; }
printf '%s, generation %s\n' "$(hd_short "$(hd_running)")" "$(hd_generation)" >&3
[ "$(hd_next)" = "$(hd_running)" ] || printf 'a reboot starts %s\n' "$(hd_short "$(hd_next)")" >&3
for hd_kind in kernel initrd kernel-modules; do
  [ ! -e "/run/current-system/$hd_kind" ] || [ "$(readlink -f "/run/booted-system/$hd_kind")" = "$(readlink -f "/run/current-system/$hd_kind")" ] || printf 'a reboot is needed: another %s\n' "$hd_kind" >&3
done
hd_ill | sed 's/$/ has failed/' >&3
ls /nix/var/nix/profiles 2>/dev/null | sed -n 's/^system-\([0-9]*\)-link$/\1/p' | sort -rn | head -n 10 | while IFS= read -r hd_number; do
  hd_of=$(grep -lx "$hd_number" "$state"/releases/*/nix/generation 2>/dev/null | sed 's|.*/releases/\(.*\)/nix/generation|\1|' | tr '\n' ' ' | sed 's/ $//')
  printf 'generation %s of %s: %s%s\n' "$hd_number" "$(stat -c %y "$hd_profile-$hd_number-link" 2>/dev/null | cut -c1-16)" "$(hd_short "$(readlink -f "$hd_profile-$hd_number-link")")" "\${hd_of:+, release $hd_of}" >&3
done
`

/** Whether what a release wants, a word of shell, is what runs and what boots. */
const differs = (release: string) =>
  `hd_wanted=${release}; [ -z "$hd_wanted" ] || hd_wanted=$(readlink -- "$hd_wanted/nix/system" 2>/dev/null || :)\n${compare}`
const compare = sh`
if [ -z "$hd_wanted" ]; then echo 'no system was deployed yet' >&3
else
  [ "$(hd_running)" = "$hd_wanted" ] || echo "another system runs than was deployed: $(hd_running)" >&3
  [ "$(hd_next)" = "$hd_wanted" ] || echo "another system would be booted than was deployed: $(hd_next)" >&3
fi
`

export interface Activation {
  /** Comes first in each of the others. */
  readonly head: string
  readonly snapshot: string
  readonly apply: string
  readonly restore: string
  readonly keep: string
  readonly inspect: string
  readonly diff: string
  readonly drift: string
}

export interface ActivationOptions {
  /** As the tool itself does it: what boots is changed first of all. */
  readonly native: boolean
  /** Whether there are health checks of the user, who judges units that fail; without any, a unit that fails is a failure. */
  readonly judged: boolean
}

/** Who is neither root nor may become root for everything has `sudo nixos-rebuild`, or nothing. */
export function activationScripts(facts: Facts, { native, judged }: ActivationOptions): Activation {
  const nix = facts.tools['nix']?.path ?? '/run/current-system/sw/bin/nix'
  const rebuild = facts.tools['nixos-rebuild']?.path ?? '/run/current-system/sw/bin/nixos-rebuild'
  const limited = facts.sudo === 'some' || facts.sudo === 'none'
  const values = assign({
    hd_nix_bin: nix.replace(/\/[^/]*$/, ''),
    hd_rebuild: limited || native ? rebuild : '',
    hd_verb: native ? 'switch' : 'test',
    hd_judged: judged ? 'true' : '',
    hd_may: limited ? '' : 'true',
  })
  return {
    head: values + systemFunctions,
    snapshot,
    apply,
    restore,
    keep,
    inspect,
    diff: differs('$prev'),
    drift: differs('$release'),
  }
}
