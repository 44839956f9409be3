import { sh } from '../shell.ts'

/**
 * The shell functions by which a host compares, fills, switches and restores a tree. They need nothing but what
 * BusyBox has, and work on these variables:
 *
 *   $path  the live tree          $work  the lists of this transaction, and what it replaced
 *   $tree  the tree to go to      $prev  the directory of the running release, or empty
 *
 * `hd_find` is defined beside them, with the patterns of this deploy. A manifest holds one sorted line an entry: type,
 * mode, content, name (see manifest.ts); a type in upper case marks an escaped name. In a list of names the first
 * character tells the same: a space before a plain name, a backslash before an escaped one.
 */
export const kit = sh`
LC_ALL=C; export LC_ALL
hd_nl='
'
hd_owners=

# The manifest of the folder $1 on stdout, hashed while the rest is looked up; who owns which file into $hd_owners, when that is set.
hd_scan() (
  cd -- "$1" || exit 1
  set -- ! -path "*$hd_nl*" ! -path '*\\*'
  {
    hd_find -type f "$@" -print0 >"$work/files"
    { xargs -0 -r sha256sum <"$work/files" | sed 's/^/h /' >"$work/hashes"; } &
    hd_find -type d "$@" -print0 | xargs -0 -r stat -c 'd %a - %n'
    xargs -0 -r stat -c 'm %a %u:%g %n' <"$work/files"
    hd_find -type l "$@" -print | while IFS= read -r f; do hd_link "$f"; done
    hd_find '(' -path "*$hd_nl*" -o -path '*\\*' ')' -exec sh -c "$hd_odd" sh {} +
    wait; cat "$work/hashes"
  } | awk -v owners="$hd_owners" '
    function bare(name) { return substr(name, 3) }
    function digits(mode) { return substr("000" mode, length(mode) + 1) + 0 }
    $1 == "m" { name = substr($0, 5 + length($2) + length($3)); mode[name] = digits($2); if (owners) print $3, bare(name) > owners; next }
    $1 == "h" { name = substr($0, 69); print "f", mode[name], $2, bare(name); delete mode[name]; next }
    { name = substr($0, length($1) + length($2) + length($3) + 4); print $1, digits($2), $3, bare(name) }
    END { for (name in mode) print "f", mode[name], "unreadable", bare(name) }' | sort
)
hd_link() {
  target=$(readlink "$1"; echo .); target=\${target%"$hd_nl".}
  case $target in *"$hd_nl"* | *'\'*) sh -c "$hd_odd" sh "$1" ;; *) printf 'l 777 - %s//%s\n' "$1" "$target" ;; esac
}
hd_odd='escape() { sed -e "s/[\\]/&&/g" | sed -e ":a" -e "\$!{N;ba" -e "}" -e "s/\n/\\\\n/g"; }
for f; do
  name=$(printf "%s\n" "$f" | escape)
  if [ -L "$f" ]; then printf "L 777 - %s//%s\n" "$name" "$(readlink "$f" | escape)"
  elif [ -d "$f" ]; then printf "D %s - %s\n" "$(stat -c %a "$f")" "$name"
  elif [ -f "$f" ]; then printf "F %s %s %s\n" "$(stat -c %a "$f")" "$(sha256sum <"$f" | cut -c1-64)" "$name"; fi
done'

# All lists of a switch, from manifests: new (wanted), live (at $path now), old (of the running release),
# kept (protected entries that exist, which therefore stay as they are), held (what is invisible here, so that the
# folders around it stay too).
hd_compare() (
  cd -- "$work" || exit 1
  for list in need stale stale.dirs copy put save added del dirs dirs.gone dirs.old; do : >"$list"; done
  awk '
    function part(line, number,  n) { split(line, n, " "); return n[number] }
    function name(line,  at) {
      at = part(line, 1) ~ /[lL]/ ? index(line, "//") : 0
      if (at) line = substr(line, 1, at - 1)
      return substr(line, length(part(line, 1)) + length(part(line, 2)) + length(part(line, 3)) + 4)
    }
    function id(line) { return (line ~ /^[A-Z]/ ? "\\" : " ") name(line) }
    FILENAME == "old" { old[$0]; next }
    FILENAME == "live" { live[$0]; now[id($0)] = tolower($1); nowmode[id($0)] = $2; next }
    FILENAME == "kept" { kept[id($0)]; next }
    FILENAME == "held" { for (up = $0; sub(/\/[^\/]*$/, "", up); ) holds[" " up]; next }
    {
      i = id($0); kind = tolower($1); wanted[i] = kind; lines[$0]
      if (!($0 in old)) { if (kind != "d" && $0 in live) print i > "copy"; else print FNR > "need" }
      if ($0 in live || i in kept) next
      if (kind == "d") { print $2, i > "dirs"; if (now[i] == "d") print nowmode[i], i > "dirs.old" }
      else { print i > "put"; if (i in now && now[i] != "d") print i > "save"; else print i > "added" }
    }
    END {
      for (line in old) if (!(line in lines)) {
        if (line !~ /^[dD]/) print id(line) > "stale"
        else if (!(id(line) in wanted)) print "0", id(line) > "stale.dirs"
      }
      for (i in now) if (now[i] != "" && wanted[i] != now[i]) {
        if (now[i] == "d" && wanted[i] == "" && i in holds) continue
        if (now[i] == "d") { print nowmode[i], i > "dirs.gone"; print nowmode[i], i > "dirs.old" }
        else { print i > "del"; if (wanted[i] == "" || wanted[i] == "d") print i > "save" }
      }
    }' old live kept held new
)
# Of the protected entries, those that exist at $path: they are not touched.
hd_keep() {
  while IFS= read -r line; do
    name=\${line#* * * }
    case $line in [A-Z]*) name=$(printf '%b.' "$name"); name=\${name%.} ;; esac
    case $line in [lL]*) name=\${name%%//*} ;; esac
    if [ -e "$path/$name" ] || [ -L "$path/$name" ]; then printf '%s\n' "$line"; fi
  done <"$work/protected" >"$work/kept"
}

# The names of the list $1, each beginning with ./ and ended by NUL.
hd_names() {
  sed -n 's/^ /.\//p' "$1" | tr '\n' '\0'
  sed -n 's/^\\/.\//p' "$1" | while IFS= read -r f; do printf '%b\0' "$f"; done
}
# The listed files of one folder into another. Not every tar reads names from a list, so they come as arguments.
hd_copy() { # FROM LIST TO [keep]: with keep, root gives each copy the owner of its original
  [ -s "$2" ] || return 0
  # GNU tar reads escapes in the names it is given, those of folders too.
  [ -n "\${hd_raw+asked}" ] || case $(tar --version 2>/dev/null) in *GNU*) hd_raw=--no-unquote ;; *) hd_raw= ;; esac
  hd_o=o; [ "\${4-}" != keep ] || [ "$(id -u)" != 0 ] || hd_o=
  rm -f "$work/failed"; mkdir -p -- "$3" || return 1
  hd_names "$2" | xargs -0 sh -c '
    from=$1 to=$2 failed=$3 o=$4 raw=$5; shift 5
    { tar $raw -cf - -C "$from" "$@" || : >"$failed"; } | tar $raw -xp"$o"f - -C "$to"' sh "$1" "$3" "$work/failed" "$hd_o" "$hd_raw" && [ ! -e "$work/failed" ]
}
# All at once; one by one only when a folder stands where a file was to be removed.
hd_remove() (
  [ -s "$2" ] || exit 0
  cd -- "$1" || exit 1
  hd_names "$2" | xargs -0 -r rm -f -- 2>/dev/null || hd_names "$2" | xargs -0 -r sh -c 'for f; do [ -d "$f" ] && [ ! -L "$f" ] || rm -f -- "$f" || exit 1; done' sh
)
hd_dirs() { # FOLDER LIST FUNCTION [r]: for each "mode name" of the list, parents first, or children first with r
  [ ! -s "$2" ] || (cd -- "$1" && sort "-k2\${4-}" "$2" | while IFS= read -r f; do
    mode=\${f%% *}; f=\${f#* }
    case $f in \\*) f=$(printf '%b.' "\${f#?}"); f=\${f%.} ;; *) f=\${f#?} ;; esac
    "$3" "$mode" "$f" || exit 1
  done)
}
hd_mkdir() ( # FOLDER LIST: as above, all at once
  [ -s "$2" ] || exit 0
  sed 's/^[0-9]* //' "$2" >"$work/names" && cd -- "$1" && hd_names "$work/names" | xargs -0 -r mkdir -p --
)
hd_chmod() { [ ! -d "$2" ] || chmod "$1" "$2"; }
hd_rmdir() { rmdir -- "$2" 2>/dev/null || :; }

# The tree of a release, but for what has to be sent: unchanged files are hard links to those of the running one.
hd_fill() {
  mkdir -p "$tree"
  if [ -n "$prev" ] && [ -d "$prev/tree" ]; then
    { cp -al "$prev/tree/." "$tree/" 2>/dev/null || cp -a "$prev/tree/." "$tree/"; } && hd_remove "$tree" "$work/stale" && hd_dirs "$tree" "$work/stale.dirs" hd_rmdir r
  fi && hd_copy "$path" "$work/copy" "$tree"
}
# What the switch will replace, kept until the new version is confirmed. Everything restore needs is in $work.
hd_snapshot() { hd_copy "$path" "$work/save" "$work/before" keep; }
hd_switch() {
  mkdir -p -- "$path" && hd_remove "$path" "$work/del" && hd_dirs "$path" "$work/dirs.gone" hd_rmdir r &&
  hd_mkdir "$path" "$work/dirs" && hd_copy "$tree" "$work/put" "$path" && hd_own &&
  hd_dirs "$path" "$work/dirs" hd_chmod r
}
# Back to what was there, from $work alone. Safe after a switch that stopped half-way, and safe to repeat.
hd_restore() {
  [ -d "$path" ] || return 0
  hd_remove "$path" "$work/added" && hd_dirs "$path" "$work/dirs" hd_rmdir r && hd_mkdir "$path" "$work/dirs.old" || return 1
  hd_remove "$path" "$work/save" && hd_copy "$work/before" "$work/save" "$path" keep || return 1
  hd_dirs "$path" "$work/dirs.old" hd_chmod r
}
# Root gives each file to who had it before, and new ones to the owner of the tree.
hd_own() {
  [ "$(id -u)" = 0 ] || return 0
  rm -f "$work"/own.*
  (cd -- "$work" && sed 's/^[0-9]* //' dirs | cat put - >own) && (cd -- "$work" && awk -v owner="$(stat -c %u:%g "$path")" '
    FILENAME == "owners" { at = index($0, " "); had[substr($0, at)] = substr($0, 1, at - 1); next }
    { to = ($0 in had) ? had[$0] : owner; if (to != "0:0") print > ("own." to) }' owners own) || return 1
  for list in "$work"/own.*; do
    [ ! -e "$list" ] || (cd -- "$path" && hd_names "$list" | xargs -0 -r chown -h "\${list##*/own.}" --) || return 1
  done
}
# Before the first deploy: of the files about to be replaced, those that people made or edited. In a clone git knows them.
hd_strange() {
  [ -z "$prev" ] && [ -s "$work/save" ] || return 0
  if (cd -- "$path" && git -c safe.directory='*' rev-parse --verify -q HEAD >/dev/null 2>&1); then
    (cd -- "$path" && git -c safe.directory='*' ls-files -z --modified --others && git -c safe.directory='*' diff --name-only -z --relative --cached HEAD) 2>/dev/null |
      tr '\n\0' '?\n' | sed 's/^/ /' | awk 'listing { edited[$0]; next } $0 in edited' listing=1 - listing= "$work/save"
  else cat "$work/save"; fi
}
# Files about to be replaced that belong to somebody else, which only root could give back.
hd_foreign() (
  [ "$(id -u)" != 0 ] || exit 0
  cd -- "$work" && awk -v me="$(id -u)" '
    FILENAME == "owners" { at = index($0, " "); split($0, o, ":"); if (o[1] != me) theirs[substr($0, at)]; next }
    $0 in theirs' owners save
)
`
