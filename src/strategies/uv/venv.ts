import { assign, quote, sh } from '../../shell.ts'

/**
 * The environment of Python. It is made beside the live one and moved into its place, so it is relocatable. Until the
 * new version is confirmed the old one waits in the same folder, and a way back is a rename:
 *
 *   $release/venv        that of a release that does not run     $path/.venv.hd-new  the one to come, from `prepare` on
 *   $path/.venv          the one that serves                     $path/.venv.hd-old  the one before, until the vote
 */
const functions = sh`
# The host's own settings for uv, of the login; the guard runs without one.
hd_uv_save() {
  ( umask 077; env | awk '/^(UV_[A-Z0-9_]+|[a-z]+_proxy|[A-Z]+_PROXY|SSL_CERT_(FILE|DIR))=/ {
    at = index($0, "="); value = substr($0, at + 1); gsub(/\047/, "\047\\\047\047", value)
    print "export " substr($0, 1, at) "\047" value "\047" }' >"$work/uv.env" )
}
hd_uv_load() {
  [ ! -f "$work/uv.env" ] || . "$work/uv.env"
  unset VIRTUAL_ENV UV_PROJECT_ENVIRONMENT UV_NO_SYNC UV_FROZEN UV_LOCKED
  # Compiled here, it starts faster, and a service of another user has nothing to write that its owner could not remove.
  UV_NO_PROGRESS=1 NO_COLOR=1 UV_VENV_RELOCATABLE=1 UV_COMPILE_BYTECODE=1; export UV_NO_PROGRESS NO_COLOR UV_VENV_RELOCATABLE UV_COMPILE_BYTECODE
  owner=0:0; [ ! -d "$path" ] || owner=$(stat -c %u:%g "$path")
  # What is given away must not be a hard link into the cache of root.
  if [ "$(id -u)" = 0 ] && [ "$owner" != 0:0 ]; then UV_LINK_MODE=copy; export UV_LINK_MODE; fi
}
# What somebody else has written in there only root can remove; out of the way it is in any case.
hd_gone() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  rm -rf "$1" 2>/dev/null && return
  left=$path/.venv.hd-left.$DEPLOY_ID; n=
  while [ -e "$left$n" ]; do n=$((\${n:-0} + 1)); done
  { mv -- "$1" "$left$n" && echo "In $left$n are files of another user: remove it as root."; } || :
}
# Whose it is, and where its packages are linked to: people may have made it anew meanwhile.
hd_mark() { printf '%s %s\n' "\${2##*/}" "$path" >"$1/.homelab-deploy"; }
hd_is_of() { [ "$(cat "$1/.homelab-deploy" 2>/dev/null)" = "\${2##*/} $path" ]; }
# A release of old is taken as it was locked, and from the cache where that will do.
hd_uv_sync() { # FOLDER VENV [OPTION]
  UV_PROJECT_ENVIRONMENT=$2; export UV_PROJECT_ENVIRONMENT
  if [ ! -f "$release/record.json" ]; then (cd -- "$1" && hd_uv sync --locked $3)
  else (cd -- "$1" && hd_uv sync --frozen --offline) || { [ -z "$3" ] && (cd -- "$1" && hd_uv sync --frozen); }; fi
}
# A rename, or between two disks a copy; either has its name only when it is whole.
hd_move() {
  rm -rf "$2.part"
  if [ "$(stat -c %d "$1")" = "$(stat -c %d "$(dirname -- "$2")")" ]; then mv -- "$1" "$2"
  else cp -a -- "$1" "$2.part" && mv -- "$2.part" "$2" && mv -- "$1" "$1.part" && rm -rf "$1.part"; fi
}
`

const build = sh`
if [ -d "$release/venv" ]; then ! hd_is_of "$release/venv" "$release" || exit 0; rm -rf "$release/venv"; fi
hd_uv_load
from=$release/tree; [ -d "$from" ] || from=$path
rm -rf "$release/build" "$release/venv.part"
# What building leaves behind is no part of the release.
cp -al "$from/." "$release/build" 2>/dev/null || { rm -rf "$release/build"; cp -a "$from/." "$release/build"; }
(cd -- "$release/build" && hd_uv_venv "$release/venv.part")
hd_uv_sync "$release/build" "$release/venv.part" ''
rm -rf "$release/build"
mv -- "$release/venv.part" "$release/venv"
`

/** Its own packages are linked to where the code is now: a moment, from the cache. */
const place = sh`
hd_uv_load
: >"$work/uv.prepared"
for stuck in "$path/.venv.hd-new" "$path/.venv.hd-old" "$path"/.venv.hd-*.part; do hd_gone "$stuck"; done
hd_move "$release/venv" "$path/.venv.hd-new"
new=$path/.venv.hd-new
if ! hd_is_of "$new" "$release"; then
  hd_uv_sync "$path" "$new" --offline
  hd_mark "$new" "$release"
fi
[ "$(id -u)" != 0 ] || [ "$owner" = 0:0 ] || chown -Rh "$owner" "$new"
sync -f "$new" 2>/dev/null || sync
`

/** In its place before the migration, which is to find it where everybody looks; what runs has its own in memory. */
const swap = sh`
cd -- "$path"
if [ -e .venv ] || [ -L .venv ]; then mv -- .venv .venv.hd-old; fi
mv -- .venv.hd-new .venv
`

/** Two renames; the one that failed is cleared away once the old version serves again. */
const back = sh`
hd_venv_there() { [ -e "$path/$1" ] || [ -L "$path/$1" ]; }
# What bears these names was made by this change only if it came as far as making it.
if [ -e "$work/uv.prepared" ]; then
  if hd_venv_there .venv && ! hd_venv_there .venv.hd-new && { hd_venv_there .venv.hd-old || [ -e "$work/uv.none" ]; }; then
    mv -- "$path/.venv" "$path/.venv.hd-new"
  fi
  if hd_venv_there .venv.hd-old; then mv -- "$path/.venv.hd-old" "$path/.venv"; fi
fi
`

const clear = sh`
if [ -e "$work/uv.prepared" ] && [ -d "$path/.venv.hd-new" ]; then
  if [ -f "$release/record.json" ] && [ ! -d "$release/venv" ]; then hd_move "$path/.venv.hd-new" "$release/venv" || :; else hd_gone "$path/.venv.hd-new"; fi
fi
`

const keep = sh`
if [ -d "$path/.venv.hd-old" ]; then
  if [ -z "$prev" ] || [ "$prev" = "$release" ] || [ ! -f "$prev/record.json" ] || [ -d "$prev/venv" ] || ! hd_move "$path/.venv.hd-old" "$prev/venv"; then hd_gone "$path/.venv.hd-old"; rm -rf "$prev/venv.part" || :; fi
fi
rm -f "$path/.venv.hd-old" 2>/dev/null || :
`

const changed = sh`
if ! [ -x "$path/.venv/bin/python" ]; then echo '.venv is not there' >&3
elif ! hd_is_of "$path/.venv" "$prev"; then echo '.venv is not the one that was deployed' >&3; fi
`

const environment = sh`
# "uv run" runs, and changes nothing.
if [ -d "$path/.venv" ]; then VIRTUAL_ENV=$path/.venv PATH=$path/.venv/bin:$PATH UV_NO_SYNC=1; export VIRTUAL_ENV UV_NO_SYNC; fi
PATH=$PATH:$(dirname -- "$hd_uv_program"); export PATH
`

/** Arguments of `uv sync` that `uv venv` has to know as well: they choose the Python. */
function choosesPython(args: readonly string[]): string[] {
  return args.flatMap((arg, index) => {
    if (/^(--python=|-p.|--(no-)?managed-python$|--no-python-downloads$|--no-config$|--config-file=)/.test(arg))
      return [arg]
    return /^(-p|--python|--config-file)$/.test(arg) ? args.slice(index, index + 2) : []
  })
}

export interface Venv {
  /** Comes first in each of the others. */
  readonly head: string
  readonly environment: string
  readonly snapshot: string
  readonly build: string
  readonly place: string
  readonly swap: string
  readonly back: string
  /** What is left of the failed version, last of all. */
  readonly clear: string
  readonly keep: string
  readonly changed: string
}

export function venvScripts(program: string, args: readonly string[]): Venv {
  const words = (some: readonly string[]) => some.map(quote).join(' ')
  const head = `${assign({ hd_uv_program: program })}
hd_uv() { hd_verb=$1; shift; "$hd_uv_program" "$hd_verb" "$@" ${words(args)}; }
hd_uv_venv() { "$hd_uv_program" venv --relocatable --quiet ${words(choosesPython(args))} "$1"; }
${functions}`
  return {
    head,
    environment: assign({ hd_uv_program: program }) + environment,
    snapshot: `rm -f "$work"/uv.*\nhd_uv_save\ncp /proc/sys/kernel/random/boot_id "$work/uv.boot" 2>/dev/null || :\n[ -e "$path/.venv" ] || [ -L "$path/.venv" ] || : >"$work/uv.none"\n`,
    build,
    place,
    swap,
    back,
    clear,
    keep,
    changed,
  }
}
