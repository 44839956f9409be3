import { assign, sh } from '../shell.ts'
import { seek } from './tar.ts'

const python = {
  /** In one read transaction: whatever is written meanwhile, the copy is of one moment, and comes to its end. */
  save: `import sqlite3, sys
source = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
source.execute("BEGIN")
source.execute("SELECT count(*) FROM sqlite_master").fetchone()
copy = sqlite3.connect(sys.argv[2])
source.backup(copy)
copy.close()`,
  load: `import sqlite3, sys
copy = sqlite3.connect(sys.argv[2])
live = sqlite3.connect(sys.argv[1], timeout=30)
copy.backup(live)
live.close()`,
  ask: `import sqlite3, sys
print(sqlite3.connect(sys.argv[1], timeout=30).execute(sys.argv[2]).fetchone()[0])`,
}

/**
 * A file of SQLite, by its own online backup: writers go on, and so do those that have it open when it comes back. With
 * FILE `-` the backup travels by stdin and stdout: the user that may open the database may not see ours.
 */
export const sqliteProgram =
  seek +
  assign({ hd_save: python.save, hd_load: python.load, hd_ask: python.ask }) +
  sh`
if command -v sqlite3 >/dev/null 2>&1; then tool=sqlite3
elif command -v python3 >/dev/null 2>&1 && python3 -c 'import sqlite3' 2>/dev/null; then tool=python3
else echo 'Neither sqlite3 nor python3 is there: install one of them (apt install sqlite3, apk add sqlite, nix-env -iA nixos.sqlite).' >&2; exit 93; fi
shell() { sqlite3 -batch -bail -init /dev/null "$1"; }
save() { # FROM TO
  if [ "$tool" = python3 ]; then python3 -I -c "$hd_save" "$1" "$2"
  else (cd -- "$(dirname "$2")" && printf '%s\n' '.timeout 30000' 'BEGIN;' 'SELECT count(*) FROM sqlite_master;' ".backup $(basename "$2")" 'COMMIT;' | shell "$1" >/dev/null); fi
}
load() { # INTO FROM
  if [ "$tool" = python3 ]; then python3 -I -c "$hd_load" "$1" "$2"
  else (cd -- "$(dirname "$2")" && printf '%s\n' '.timeout 30000' ".restore $(basename "$2")" | shell "$1"); fi
}
ask() { # FILE QUESTION
  if [ "$tool" = python3 ]; then python3 -I -c "$hd_ask" "$1" "$2"; else printf '%s\n' '.timeout 30000' "$2" | shell "$1"; fi
}
case $op in
  size) there; [ -f "$real" ] || { echo "$target is no file" >&2; exit 92; }; stat -c %s "$real" "$real-wal" 2>/dev/null | awk '{ n += $1 } END { print int(n / 1024) + 1 }' ;;
  check) [ "$(ask "$target" 'PRAGMA integrity_check;')" = ok ]; rc=$?; rm -f "$target-wal" "$target-shm"; exit "$rc" ;;
  raw) there; cat "$real" ;;
esac
case $op in save | load) ;; *) exit 0 ;; esac
copy=$file
if [ "$file" = - ]; then
  mine=$(mktemp -d "\${TMPDIR:-/var/tmp}/hd-XXXXXX") || exit
  trap 'rm -rf "$mine"' EXIT
  copy=$mine/copy
fi
if [ "$op" = save ]; then
  there
  save "$real" "$copy" || exit
  [ "$file" != - ] || cat "$copy"
  exit
fi
[ "$file" != - ] || cat >"$copy" || exit
fresh=; [ -e "$real" ] || fresh=true
load "$real" "$copy" && {
  # A file that had gone gets the owner of its folder.
  [ -z "$fresh" ] || [ "$(id -u)" != 0 ] || chown "$(stat -c %u:%g "$(dirname "$real")")" "$real"
  exit
}
# No database any more: its place is all that is left to use.
case $(ask "$real" 'PRAGMA schema_version;' 2>&1) in *'not a database'* | *malformed*) ;; *) exit 92 ;; esac
cat "$copy" >"$real.hd-new" && own "$real" "$real.hd-new" || exit
for more in wal shm journal; do [ ! -e "$real-$more" ] || mv -f "$real-$more" "$real-$more.hd-replaced-$name"; done
mv -f "$real.hd-new" "$real"
`
