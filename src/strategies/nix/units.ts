import type { Facts } from '../../remote/facts.ts'
import { sh } from '../../shell.ts'
import { noUv } from '../uv/options.ts'
import { programsOf } from '../uv/sudoers.ts'
import { type Units, unitScripts } from '../uv/units.ts'
import type { NixOptions } from './options.ts'

/** Units that the activation has started anew run the new code already: it was in its place before. */
const rest = sh`
hd_units >"$work/nix.restart"
hd_units() {
  while IFS= read -r unit; do
    hd_then=$(hd_was "$unit" InvocationID)
    [ -n "$hd_then" ] && [ "$(hd_show "$unit" InvocationID)" != "$hd_then" ] || printf '%s\n' "$unit"
  done <"$work/nix.restart"
}
`

/** The units that read the code of `path`: Nix restarts only those whose own files are others. */
export function unitsOf(
  { restart }: NixOptions,
  facts: Facts,
): Pick<Units, 'head' | 'snapshot' | 'inspect'> & {
  /** Before the activation, which may start some of them anew. */
  readonly begin: string
  readonly apply: string
  readonly restore: string
} {
  const { head, snapshot, activate, back, inspect } = unitScripts({ ...noUv, restart }, programsOf(facts))
  // The files of the units are Nix's; the lists of files are empty.
  return {
    head,
    inspect,
    snapshot: `cp /proc/sys/kernel/random/boot_id "$work/uv.boot" 2>/dev/null || :\nrm -f "$work/uv.applied"\n${snapshot}`,
    begin: ': >"$work/uv.applied"\n',
    apply: `${rest}${activate}`,
    restore: back,
  }
}
