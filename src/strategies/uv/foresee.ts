import { sh } from '../../shell.ts'

/** What a deploy would do: packages by the two locks, unit files, and the units that are restarted. Comes after the head of the units. */
export const foresee = sh`
hd_lock() { [ ! -f "$1" ] || awk -F '"' '/^\[\[package\]\]/ { name = "" } /^name = "/ && name == "" { name = $2 } /^version = "/ && name != "" { print name, $2; name = "" }' "$1" | sort -u; }
hd_lock "$path/uv.lock" >"$work/lock.old"
hd_lock "$release/tree/uv.lock" >"$work/lock.new"
[ ! -e "$release/tree/uv.lock" ] || (cd -- "$work" && awk '
  { at = (FILENAME == "lock.old") ? "old" : "new"; names[$1]; all[at, $1] = all[at, $1] (all[at, $1] == "" ? "" : ", ") $2 }
  END {
    for (name in names) {
      was = all["old", name]; is = all["new", name]
      if (was == "") print "+ " name " " is; else if (is == "") print "- " name " " was; else if (was != is) print "~ " name " " was " → " is
    }
  }' lock.old lock.new | sort -k 2 >&3)
hd_unit_files | while IFS= read -r name; do
  file=$release/tree/$(hd_file_of "$name"); [ -f "$file" ] || continue
  if [ ! -f "$hd_unit_dir/$name" ]; then echo "+ unit file $name" >&3
  elif ! cmp -s -- "$file" "$hd_unit_dir/$name"; then echo "~ unit file $name" >&3; fi
done
[ -z "$prev" ] || [ ! -f "$prev/units" ] || while IFS= read -r name; do
  hd_unit_files | grep -qxF -- "$name" || echo "- unit file $name" >&3
done <"$prev/units"
for unit in $(hd_units); do echo "down $unit is restarted" >&3; done
`
