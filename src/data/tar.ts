import { sh } from '../shell.ts'

/**
 * A program of its own, so that another user can run it: `OP TARGET [NAME]`, backups by stdin and stdout. It ends with
 * 90 when there is no such thing, with 91 when it may not be seen.
 */
export const seek = sh`
op=$1 target=$2 name=$3 file=$4
real=$(readlink -f "$target" 2>/dev/null) || real=
real=\${real:-$target}
there() {
  [ ! -e "$real" ] || return 0
  up=$target; until [ -d "$up" ]; do up=$(dirname "$up"); done
  [ -x "$up" ] || { echo "$(id -un) may not look into $up" >&2; exit 91; }
  exit 90
}
own() { chmod "$(stat -c %a "$1")" "$2"; if [ "$(id -u)" = 0 ]; then chown "$(stat -c %u:%g "$1")" "$2"; fi; }
`

/**
 * Files and folders. The way back never deletes: it unpacks beside, moves what is there aside, and moves what was
 * unpacked in; the names of the two folders tell how far it came, so that it can be repeated from any point. A folder
 * stays the same folder: it may be a mount point, and a container may hold it.
 */
export const tarProgram =
  seek +
  sh`
gnu=; case $(tar --version 2>/dev/null) in *GNU*) gnu=true ;; esac
rest() { find . ! -name . -prune ! -name '.hd-*' "$@"; }
case $op in
  size) there; du -sk "$real" 2>/dev/null | awk 'END { print $1 + 0 }' ;;
  kind) if [ -d "$real" ]; then echo folder; elif [ -e "$real" ]; then echo file; fi ;;
  save)
    there
    cd -- "$(dirname "$real")" || exit
    tar \${gnu:+--no-unquote} -cvzf - "./$(basename "$real")"; rc=$?
    # GNU tar says so when a file was written to meanwhile; it is in the archive as it was read.
    if [ -n "$gnu" ] && [ "$rc" = 1 ]; then rc=0; fi
    exit "$rc" ;;
  load)
    here=$real; [ -d "$here" ] || here=$(dirname "$real")
    cd -- "$here" || exit
    new=.hd-new-$name old=.hd-replaced-$name
    if [ ! -d "$new" ] && [ ! -d "$old" ]; then
      rm -rf "$new.part"; mkdir "$new.part" || exit
      tar \${gnu:+--numeric-owner} -xpzf - -C "$new.part" || { rc=$?; rm -rf "$new.part"; exit "$rc"; }
      mv "$new.part" "$new" || exit
    fi
    [ -d "$new" ] || exit 0
    # Not by ls: that of BusyBox shows question marks for letters it does not know.
    for inner in "$new"/* "$new"/.[!.]* "$new"/..?*; do if [ -e "$inner" ] || [ -L "$inner" ]; then break; fi; done
    if [ ! -e "$real" ]; then mv "$inner" "$real" && rmdir "$new"; exit; fi
    if [ ! -d "$inner" ] || [ -L "$inner" ]; then
      [ ! -d "$real" ] || { echo "$target is a folder now, and was none" >&2; exit 92; }
      mv -f "$inner" "$real" && rmdir "$new"; exit
    fi
    [ -d "$real" ] || { echo "$target is no folder any more" >&2; exit 92; }
    if [ ! -d "$old" ]; then
      # What still runs may make files anew while they are moved.
      for pass in 1 2 3; do
        [ -n "$(rest -print | head -n 1)" ] || break
        to=$pass; while [ -e "$old.part/$to" ]; do to=$((to + 1)); done
        mkdir -p "$old.part/$to" && rest -exec mv -f -- {} "$old.part/$to/" ';'
      done
      left=$(rest -print | head -n 1)
      [ -z "$left" ] || { echo "$target/$left cannot be moved aside" >&2; exit 92; }
      mkdir -p "$old.part" && mv "$old.part" "$old" || exit
    fi
    (cd -- "$inner" && rest -exec mv -f -- {} "$here/" ';' && [ -z "$(ls -A)" ]) || exit 92
    own "$inner" . && rmdir "$inner" "$new" ;;
  drop) cd -- "$real" && rm -rf ".hd-replaced-$name" ;;
esac
`
