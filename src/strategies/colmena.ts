import { explain } from './colmena/explain.ts'
import { keyScripts, waitForRunner } from './colmena/keys.ts'
import { noColmena } from './colmena/options.ts'
import { weakerPromise } from './native.ts'
import { activationScripts } from './nix/activation.ts'
import { buildScripts } from './nix/build.ts'
import { noNix } from './nix/options.ts'
import { noScripts, type Strategy } from './strategy.ts'

/** colmena activates, from the runner, while the host waits; whoever goes back to such a release has no runner to wait for. */
const activateByColmena = (ours: string) => `if [ ! -f "$release/record.json" ]; then
: >"$work/nix.applied"; : >"$work/nix.boots"
hk_wait switch
[ "$(hd_running)" = "$(hd_new)" ] || { hd_failed other "$(hd_running)"; exit 1; }
else
${ours}
fi
`

/** What another change waited for. */
const forget = 'rm -f "$work"/asked.* "$work"/done-by-runner.*\n'

/** Nodes of a hive: built on the runner, activated by each host. */
export const colmena: Strategy = {
  name: 'colmena',
  summary: 'NixOS by a colmena hive: built and pushed from the runner, activated by the hosts themselves.',
  markers: ['hive.nix'],
  needs: [{ name: 'nix', on: 'host', hint: 'The nodes of a hive run NixOS, or at least Nix.' }],
  checks: () => [],
  compile: ({ colmena: options = noColmena }, facts) => {
    const { toplevel, native, judged } = options
    // What boots is set by us, whoever activates: after the vote, or by colmena before it.
    const system = activationScripts(facts, { native: false, judged })
    const built = buildScripts({ ...noNix, flake: toplevel }, facts)
    const keys = keyScripts(options.keys, { only: false, native })
    const head = `${system.head}${waitForRunner}${keys.head}`
    return {
      ...noScripts,
      preflight: native ? `if [ ! -f "$release/record.json" ]; then${weakerPromise}fi\n` : '',
      snapshot: `${head}${forget}${keys.snapshot}${system.snapshot}`,
      build: `${system.head}${built.head}${built.build}`,
      prepare: keys.prepare && `${head}${keys.prepare}`,
      apply: `${head}${native ? activateByColmena(system.apply) : system.apply}`,
      restore: `${head}${keys.restore}${system.restore}`,
      keep: `${head}${system.keep}${keys.keep}`,
      inspect: `${system.head}${system.inspect}`,
      diff: `${head}${system.diff}${keys.diff}`,
      drift: `${head}${system.drift}${keys.diff}`,
    }
  },
  keysOnly: ({ colmena: options = noColmena }) => {
    const { head, ...keys } = keyScripts(options.keys, { only: true, native: false })
    const each = (text: string) => (options.keys.length === 0 ? '' : waitForRunner + head + text)
    return {
      ...noScripts,
      snapshot: each(forget + keys.snapshot),
      prepare: each(keys.prepare),
      restore: each(keys.restore),
      keep: each(keys.keep),
    }
  },
  explain,
}
