import { assign, quote, sh } from '../../shell.ts'
import type { ColmenaKey } from './options.ts'

/**
 * The keys of a node. colmena uploads them, from the runner, while the host waits in the middle of the change: so the guard takes them back
 * with everything else. What a confirmed release had as keys is kept with it, for whoever goes back to it.
 *
 *   $release/keys/KEY, KEY.how   the keys of a release, and their mode and owner
 *   $work/file.key.KEY           those of before, likewise; .none where there was none
 *   $work/asked.NAME         the host waits for the runner      $work/done-by-runner.NAME   its answer
 */
/** Shell: the runner does its part while the host waits here; the guard ends the wait when the runner is gone. */
export const waitForRunner = sh`
hk_wait() { # NAME
  : >"$work/asked.$1"
  until [ -e "$work/done-by-runner.$1" ]; do sleep 0.2; done
}
`

const functions = sh`
hk_save() { # KEY FILE FOLDER-AND-PREFIX
  if [ -e "$2" ]; then (umask 077; cat -- "$2" >"$3$1") && stat -c '%a %u:%g' -- "$2" >"$3$1.how"; else : >"$3$1.none"; fi
}
hk_put() { # KEY FILE FOLDER-AND-PREFIX
  [ -e "$3$1" ] || return 0
  read -r hk_mode hk_owner <"$3$1.how" && mkdir -p -- "$(dirname -- "$2")" && (umask 077; cat "$3$1" >"$2.hd-new") &&
    chown "$hk_owner" "$2.hd-new" && chmod "$hk_mode" "$2.hd-new" && mv -f -- "$2.hd-new" "$2"
}
hk_back() { # a key that was not there before is of no use to the old version
  rm -f -- "$2.hd-new" "$2.tmp"
  if [ -e "$work/file.key.$1" ]; then hk_put "$1" "$2" "$3" || return 1
  elif [ -e "$work/file.key.$1.none" ] && [ -z "$hk_stay" ]; then rm -f -- "$2"; fi
}
hk_came() {
  [ -e "$2" ] && [ "$2" -nt "$work/asked.keys" ] && return 0
  echo "The key $2 has not come from the runner." >&2; return 1
}
hk_missing() { [ -e "$2" ] || echo "the key $2 is missing" >&3; }
`

/** Shell: the function by which each key gets its turn. */
function every(name: string, keys: readonly ColmenaKey[], chosen = (_: ColmenaKey) => true): string {
  const turns = keys.filter(chosen).map(({ path }) => `"$1" ${quote(nameOf(path))} ${quote(path)} "$2" || return 1`)
  return `${name}() {\n:\n${turns.join('\n')}\n}\n`
}

/** By where it belongs: another hive may have other keys in another order. */
const nameOf = (path: string) => encodeURIComponent(path)

export interface KeyScripts {
  readonly head: string
  readonly snapshot: string
  readonly prepare: string
  readonly restore: string
  readonly keep: string
  readonly diff: string
}

/** `only` when nothing but the keys changes: then they are asked for although the release has some, and what came stays. */
export function keyScripts(
  keys: readonly ColmenaKey[],
  { only, native }: { only: boolean; native: boolean },
): KeyScripts {
  const none = { head: '', snapshot: '', prepare: '', restore: '', keep: '', diff: '' }
  if (keys.length === 0) return none
  const saved = 'hk_all hk_put "$release/keys/"'
  return {
    head: `${assign({ hk_stay: only ? 'true' : '' })}${functions}${every('hk_all', keys)}${every('hk_early', keys, ({ late }) => !late || only)}`,
    snapshot: 'hk_all hk_save "$work/file.key."\n',
    prepare: preparation(saved, { only, native }),
    restore: 'hk_all hk_back "$work/file.key." || { echo "The keys could not be put back." >&2; exit 1; }\n',
    keep: 'rm -rf "$release/keys.new"; (umask 077; mkdir -p "$release/keys.new"); hk_all hk_save "$release/keys.new/"; rm -rf "$release/keys"; mv "$release/keys.new" "$release/keys"\n',
    diff: 'hk_all hk_missing -\n',
  }
}

/** A release that was confirmed once has its keys with it. With `native` colmena brings those of a new one when it activates. */
function preparation(saved: string, { only, native }: { only: boolean; native: boolean }): string {
  const asked = 'hk_wait keys; hk_early hk_came -'
  if (only) return `${asked}\n`
  return `if [ -f "$release/record.json" ]; then ${saved}; ${native ? '' : `else ${asked}; `}fi\n`
}
