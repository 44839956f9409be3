import { assign, sh } from '../shell.ts'
import { postgresProgram } from './postgres.ts'
import { sqliteProgram } from './sqlite.ts'
import { tarProgram } from './tar.ts'

/** How our own scripts end: the exit code tells the runner which error it is, and `hd_fail` the ledger. */
export const exits = {
  81: 'HD-DATA-01',
  82: 'HD-DATA-02',
  83: 'HD-DATA-03',
  84: 'HD-DATA-04',
  85: 'HD-DATA-05',
  86: 'HD-DATA-06',
  87: 'HD-DATA-07',
} as const

/**
 * The shell functions by which a host backs up its data, brings it back, and migrates it once. They work on:
 *
 *   $state/backups/FOLDER/NAME.SUFFIX   the backups of one thing. NAME is that of the release they were made for;
 *                                       NAME.failed and NAME.replaced are what a way back found and replaced
 *   $state/data.log                     the journal of the data: a line an event, append only
 *     TIME backup NAME PREVIOUS         a backup of everything, made while PREVIOUS ran
 *     TIME absent NAME FOLDER           there was no such thing to back up then
 *     TIME ran NAME PREVIOUS            a change from PREVIOUS was confirmed
 *     TIME begun|done NAME KEY          a migration
 *     TIME restored NAME                the data is as of that backup again
 *
 * `hd_units` is defined beside them, $hd_previous, and $hd_times: how often there has to be room for a backup.
 */
export const dataKit = `${assign({ hd_tar: tarProgram, hd_sqlite: sqliteProgram, hd_postgres: postgresProgram })}${sh`
hd_name=$(cat "$work/data.name")
hd_say() { echo "homelab-deploy: $*"; }
hd_fail() { # EXIT WORDS…
  code=$1; shift
  [ -z "\${part-}" ] || rm -f "$part" "$part-journal" "$part-wal" "$part-shm"
  [ ! -e "$work/open" ] || printf 'HD-DATA-%02d\n' "$((code - 80))" >"$work/code" || :
  printf '%s\n' "$*" >&2
  exit "$code"
}
hd_journal() { (
  umask 077
  [ -z "$(tail -c 1 "$state/data.log" 2>/dev/null)" ] || echo >>"$state/data.log"
  printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >>"$state/data.log" && { sync "$state/data.log" 2>/dev/null || sync; }
); }
hd_read() { [ ! -f "$state/data.log" ] || cat "$state/data.log"; }
hd_note() { printf '"%s":"%s",' "$1" "$2" >"$work/ledger.more.$1"; } # for the line in the ledger

hd_as() { # USER COMMAND…
  user=$1; shift
  if [ -z "$user" ] || [ "$user" = "$(id -un)" ]; then "$@"
  elif [ "$(id -u)" = 0 ] && command -v runuser >/dev/null 2>&1; then (cd / && exec runuser -u "$user" -- "$@")
  elif [ "$(id -u)" != 0 ] || command -v sudo >/dev/null 2>&1; then (cd / && exec sudo -n -u "$user" -- "$@")
  else (cd / && exec su -s /bin/sh "$user" -c 'exec "$@"' sh "$@"); fi
}
hd_unit() { n=$1 kind=$2 of=$3 as=$4 folder=$5 suffix=$6 keep=$7 dir=$state/backups/$5 part=; }
# The part of the unit at hand that knows its kind, as the user who may: OP [NAME [FILE]]
hd_part() {
  case $kind in tar) program=$hd_tar ;; sqlite) program=$hd_sqlite ;; *) program=$hd_postgres ;; esac
  hd_as "$as" /bin/sh -c "$program" hd "$1" "$of" "\${2-}" "\${3--}"
}
hd_mine() { [ -z "$as" ] || [ "$as" = "$(id -un)" ]; }
hd_last() { grep -v '^\./' "$work/data.err" | tail -n 3 | tr -s '\n\t' '  '; }
# On a full disk it may not even be possible to write down why.
hd_full() { if [ "$(hd_free)" -lt 1024 ] || grep -qi -e 'no space left' -e 'is full' -e 'quota' "$work/data.err"; then echo 84; else echo "$1"; fi; }
hd_size() { ls -ln -- "$1" | awk '{ n = $5; u = "B"; if (n >= 1024) { n /= 1024; u = "KiB" } if (n >= 1024) { n /= 1024; u = "MiB" } if (n >= 1024) { n /= 1024; u = "GiB" } printf(u == "B" ? "%d %s" : "%.1f %s", n, u) }'; }

# Can it be backed up, and how much is it? Adds to $need.
hd_look() {
  hd_unit "$@"
  hd_mine || hd_as "$as" /bin/sh -c : 2>/dev/null || hd_fail 81 "$(id -un) may not act as $as. Let it, by this line in /etc/sudoers.d/homelab-deploy: $(id -un) ALL=($as) NOPASSWD: /bin/sh"
  [ ! -e "$dir/$hd_name.$suffix" ] || hd_fail 81 "There is a backup $folder/$hd_name.$suffix already, and none is ever overwritten."
  rc=0; size=$(hd_part size 2>"$work/data.err") || rc=$?
  case $rc in
    0) need=$((need + size)) ;;
    90)
      if ls "$dir"/*."$suffix" >/dev/null 2>&1; then hd_fail 81 "$kind: $of is not there, though it was backed up before. Where it is no longer needed, remove its line."; fi
      hd_say "\${of##*/} is not there yet: nothing to back up"
      : >"$work/data.absent.$n" ;;
    93 | 94) hd_fail 83 "$kind: $of: $(hd_last)" ;;
    *) hd_fail 81 "$kind: $of cannot be backed up: $(hd_last)" ;;
  esac
}
hd_free() {
  up=$state/backups; while [ ! -d "$up" ]; do up=$(dirname "$up"); done
  df -P -k "$up" | awk 'NR == 2 { print $4 }'
}
hd_room() {
  free=$(hd_free)
  need=$((need * hd_times + 4096))
  [ "$need" -le "\${free:-0}" ] || hd_fail 84 "The backups may need $((need / 1024)) MiB below $state/backups, and $((free / 1024)) MiB are free."
}
# One backup, whole and sound or not at all.
hd_make() { # NAME
  mkdir -p "$dir"; rm -f "$dir"/*.part*
  part=$dir/$1.$suffix.part
  rc=0
  if [ "$kind" = sqlite ] && hd_mine; then hd_part save "$1" "$part" 2>"$work/data.err" || rc=$?
  else hd_part save "$1" >"$part" 2>"$work/data.err" || rc=$?; fi
  [ "$rc" = 0 ] || hd_fail "$(hd_full 81)" "$kind: $of could not be backed up (exit code $rc): $(hd_last)"
  hd_sound "$part" || hd_fail "$(hd_full 82)" "$kind: $of: the backup cannot be read back, and was thrown away: $(hd_last)"
  { sync "$part" 2>/dev/null || sync; } && mv -f "$part" "$dir/$1.$suffix" && { sync "$dir" 2>/dev/null || sync; } || hd_fail 81 "$kind: $of: the backup could not be kept."
  part=
  made=$(hd_size "$dir/$1.$suffix")
  echo "$kind: $of: $made in $dir/$1.$suffix"
}
# Read from its first byte to its last; an archive has to list what went into it.
hd_sound() {
  case $kind in
    tar)
      wrote=$(grep -c '^\./' "$work/data.err")
      tar -tzf "$1" >"$work/data.list" 2>"$work/data.err" || return 1
      read=$(grep -c '^\./' "$work/data.list"); rm -f "$work/data.list"
      [ "$read" -gt 0 ] && [ "$read" = "$wrote" ] || { echo "$wrote entries went in, $read came out" >"$work/data.err"; return 1; } ;;
    sqlite) /bin/sh -c "$hd_sqlite" hd check "$1" '' '' 2>"$work/data.err" ;;
    *) pg_restore --list "$1" >/dev/null 2>"$work/data.err" && pg_restore -f /dev/null "$1" 2>>"$work/data.err" ;;
  esac
}
hd_take() {
  hd_unit "$@"
  if [ -e "$work/data.absent.$n" ]; then hd_journal absent "$hd_name" "$folder"; else hd_make "$hd_name"; hd_say "\${of##*/} $made"; fi
}

# Back to the backup $hd_source; what is there now is kept as $hd_kept first.
hd_bring() {
  hd_unit "$@"
  [ ! -e "$work/data.done.$n.$hd_source" ] || return 0
  from=$dir/$hd_source.$suffix
  if [ ! -e "$from" ]; then
    hd_read | grep -q " absent $hd_source $folder\$" || hd_fail 87 "The backup $from is gone."
    hd_say "\${of##*/} was not there when the backup was made: it stays as it is"
    return 0
  fi
  is=$kind; [ "$kind" != tar ] || is=$(hd_part kind 2>/dev/null || :)
  hd_part ready 2>"$work/data.err" || hd_fail 87 "$kind: $of cannot be reached: $(hd_last)"
  rc=0; hd_part size >/dev/null 2>"$work/data.err" || rc=$?
  case $rc in 0 | 90) ;; *) hd_fail 87 "$kind: $of cannot be looked at: $(hd_last)" ;; esac
  if [ "$rc" = 0 ] && [ "$is" != folder ] && [ ! -e "$dir/$hd_kept.$suffix" ]; then
    # A database that cannot be read any more is kept as the file that it is.
    (hd_make "$hd_kept") || { [ "$kind" = sqlite ] && hd_part raw >"$dir/$hd_kept.raw" 2>"$work/data.err"; } || hd_fail 87 "$kind: $of cannot be kept as it is now, and is therefore not replaced: $(hd_last)"
  fi
  rc=0
  if [ "$kind" = sqlite ] && hd_mine; then hd_part load "$hd_source" "$from" 2>"$work/data.err" || rc=$?
  else hd_part load "$hd_source" <"$from" 2>"$work/data.err" || rc=$?; fi
  [ "$rc" = 0 ] || hd_fail 87 "$kind: $of could not be brought back from $from (exit code $rc): $(hd_last)"
  if [ "$is" = folder ]; then
    whole=$of; of=$whole/.hd-replaced-$hd_source
    if hd_part size >/dev/null 2>&1; then
      if [ -e "$dir/$hd_kept.$suffix" ] || (hd_make "$hd_kept"); then of=$whole; hd_part drop "$hd_source"
      else hd_say "$kind: $whole: what was there is in $of, for lack of another place"; fi
    fi
    of=$whole
  fi
  : >"$work/data.done.$n.$hd_source"
  hd_brought="\${hd_brought:+$hd_brought, }\${of##*/}"
}
hd_back() { # NAME KEPT
  hd_source=$1 hd_kept=$2
  hd_brought=
  hd_units hd_bring || return 1
  [ -z "$hd_brought" ] || hd_say "back as of $hd_source: $hd_brought"
  hd_journal restored "$hd_source"
  hd_note data restored
}

# The newest that "keep" allows, and those of releases that are still there.
hd_thin() {
  hd_unit "$@"
  [ -d "$dir" ] || return 0
  whole=0 others=0
  for file in $(ls -r "$dir"); do
    name=\${file%".$suffix"}
    case $name in *.part*) rm -f "$dir/$file"; continue ;; esac
    case $name in *.failed* | *.replaced*) others=$((others + 1)); count=$others ;; *) whole=$((whole + 1)); count=$whole ;; esac
    [ "$count" -le "$keep" ] || [ -d "$state/releases/\${name#*-to-}" ] || rm -f "$dir/$file"
  done
}
`}`
