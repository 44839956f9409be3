import { assign, quote, sh } from '../../shell.ts'
import { asRoot } from '../as-root.ts'
import { type UvOptions, unitName, unitOf } from './options.ts'
import type { Programs } from './sudoers.ts'

/**
 * The units of systemd. What is installed and what ran is written down before anything changes, below $work/units: the
 * file of each, or NAME.none; and of each unit NAME.was, as `systemctl show` says it.
 */
const functions = sh`
if [ -n "$hd_user_scope" ]; then
  XDG_RUNTIME_DIR=\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}; export XDG_RUNTIME_DIR
  hd_unit_dir=\${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
else hd_unit_dir=/etc/systemd/system; fi
hd_ctl() { hd_as_root "$hd_systemctl" $hd_user_scope "$@"; }
hd_show() { "$hd_systemctl" $hd_user_scope show -p "$2" --value -- "$1" 2>/dev/null || :; }
hd_was() { sed -n "s/^$2=//p" "$work/units/$1.was" 2>/dev/null || :; }
hd_ran() { case $(hd_was "$1" ActiveState) in active | activating | reloading) ;; *) return 1 ;; esac; }
hd_problem() { printf 'homelab-deploy: %s\t%s\n' "$1" "$2" >&2; }
hd_put_unit() { # FILE NAME: from a fixed place, so that a sudoers file can name it
  hd_staged=$state/units/$2
  mkdir -p -- "$(dirname -- "$hd_staged")" && cp -- "$1" "$hd_staged" && hd_as_root "$hd_install" -D -m 644 "$hd_staged" "$hd_unit_dir/$2"
}
hd_drop_unit() { # NAME: stopped first, for systemd knows how only as long as the file is there
  case $1 in *.conf) ;; *) hd_ctl disable --now "$1" || return 1 ;; esac
  hd_as_root "$hd_rm" -f "$hd_unit_dir/$1"
}
hd_reload() { hd_ctl daemon-reload; }
hd_start_again() { # UNIT
  hd_ctl reset-failed "$1" >/dev/null 2>&1 || :
  for turn in 1 2; do
    hd_said=$(hd_ctl restart "$1" 2>&1) && return 0
    printf '%s\n' "$hd_said" >&2
    # A start that systemd itself had in mind came in between.
    case $hd_said in *[Cc]ancel*) ;; *) break ;; esac
  done
  hd_problem "$1" "$(hd_show "$1" Result) $(hd_show "$1" ExecMainStatus) $(hd_show "$1" Type) $hd_said"
  return 1
}
`

const snapshot = sh`
rm -rf "$work/units"
mkdir -p "$work/units"
{ hd_unit_files; [ -z "$prev" ] || cat "$prev/units" 2>/dev/null || :; } | sort -u >"$work/units.list"
while IFS= read -r name; do
  mkdir -p -- "$(dirname -- "$work/units/$name")"
  if [ -f "$hd_unit_dir/$name" ]; then cp -p -- "$hd_unit_dir/$name" "$work/units/$name"; else : >"$work/units/$name.none"; fi
done <"$work/units.list"
{ hd_units; grep -v '\.conf$' "$work/units.list" || :; } | sort -u | while IFS= read -r name; do
  "$hd_systemctl" $hd_user_scope show -p ActiveState,InvocationID,ExecMainStartTimestampMonotonic,UnitFileState -- "$name" >"$work/units/$name.was" 2>/dev/null || :
done
`

/** Who the service runs as has to reach the Python of its environment; found out before it is restarted. */
const reach = sh`
hd_reaches() { # USER FILE
  if [ "$(id -u)" = 0 ]; then
    # As a unit starts: from the root directory, and without a shell.
    (cd / && if command -v runuser >/dev/null 2>&1; then runuser -u "$1" -- test -x "$2"; else su -s /usr/bin/test "$1" -- -x "$2"; fi)
    return
  fi
  [ "$1" != "$(id -un)" ] || { test -x "$2"; return; }
  # Nobody else can be asked, so the modes of the folders have to tell.
  at=$2; groups=" $(id -Gn "$1" 2>/dev/null) "
  while at=$(dirname -- "$at"); [ "$at" != / ]; do
    set -- "$1" "$2" $(stat -c '%a %U %G' "$at" 2>/dev/null || echo 755 root root)
    mode=000$3; other=\${mode#"\${mode%?}"}; mode=\${mode%?}; group=\${mode#"\${mode%?}"}; mode=\${mode%?}; own=\${mode#"\${mode%?}"}
    if [ "$4" = "$1" ]; then bits=$own; else case $groups in *" $5 "*) bits=$group ;; *) bits=$other ;; esac; fi
    case $bits in 1 | 3 | 5 | 7) ;; *) return 1 ;; esac
  done
}
hd_user_of() { # UNIT: as its file will say it
  file=$(hd_file_of "$1"); user=
  [ -z "$file" ] || [ ! -f "$path/$file" ] || user=$(sed -n 's/^User=//p' "$path/$file" | tail -n 1)
  [ -n "$user" ] || user=$(hd_show "$1" User)
  case $user in *%*) ;; *) printf '%s\n' "$user" ;; esac
}
python=$(readlink -f "$path/.venv.hd-new/bin/python")
[ -n "$hd_user_scope" ] || hd_services | while IFS= read -r unit; do
  user=$(hd_user_of "$unit")
  if [ -n "$user" ] && [ "$user" != root ] && id "$user" >/dev/null 2>&1 && ! hd_reaches "$user" "$path/.venv.hd-new/bin/python"; then
    hd_problem "$unit" "reach $user $python"
    # The modes do not tell of access control lists, so that this is no proof; the start will be one.
    [ "$(id -u)" != 0 ] || exit 1
  fi
  case $(hd_show "$unit" ProtectHome) in yes | tmpfs) case $python in /home/* | /root/* | /run/user/*) hd_problem "$unit" "home $user $python"; exit 1 ;; esac ;; esac
done
`

const activate = sh`
: >"$work/uv.applied"
cd -- "$path"
hd_reloaded=
hd_begun=
hd_unit_pairs() { hd_unit_files | while IFS= read -r name; do printf '%s\t%s\n' "$name" "$(hd_file_of "$name")"; done; }
hd_unit_pairs >"$work/units.pairs"
tab=$(printf '\t')
while IFS="$tab" read -r name file; do
  cmp -s -- "$path/$file" "$hd_unit_dir/$name" || { echo "installing $name"; hd_put_unit "$path/$file" "$name"; hd_reloaded=true; case $name in *.timer | *.socket | *.path) hd_begun="$hd_begun $name" ;; esac; }
done <"$work/units.pairs"
while IFS= read -r name; do
  if ! hd_unit_files | grep -qxF -- "$name"; then echo "removing $name"; hd_drop_unit "$name"; hd_reloaded=true; fi
done <"$work/units.list"
if [ -n "$hd_reloaded" ]; then hd_reload; else
  for unit in $(hd_units); do [ "$(hd_show "$unit" NeedDaemonReload)" != yes ] || hd_reload || :; done
fi
while IFS="$tab" read -r name file; do
  case $name in *.conf) continue ;; esac
  ! grep -q '^\[Install\]' "$path/$file" || [ "$(hd_show "$name" UnitFileState)" = enabled ] || hd_ctl enable "$name"
done <"$work/units.pairs"
for unit in $hd_begun $(hd_units); do
  echo "restarting $unit"
  hd_start_again "$unit"
done
# What answers now has to be what was started now.
for unit in $(hd_services); do
  before=$(hd_was "$unit" InvocationID)
  if [ -n "$before" ] && [ "$(hd_show "$unit" InvocationID)" = "$before" ]; then hd_problem "$unit" same; exit 1; fi
  at=$(hd_was "$unit" ExecMainStartTimestampMonotonic); now=$(hd_show "$unit" ExecMainStartTimestampMonotonic)
  if [ "\${at:-0}" != 0 ] && [ "\${now:-0}" != 0 ] && [ "$now" -le "$at" ]; then hd_problem "$unit" same; exit 1; fi
done
`

const back = sh`
# What was never restarted needs no restart, unless the whole host was.
if [ -e "$work/uv.applied" ] || ! cmp -s "$work/uv.boot" /proc/sys/kernel/random/boot_id; then
  hd_reloaded=
  while IFS= read -r name; do
    if [ -f "$work/units/$name" ]; then cmp -s -- "$work/units/$name" "$hd_unit_dir/$name" || { hd_put_unit "$work/units/$name" "$name"; hd_reloaded=true; }
    elif [ -f "$hd_unit_dir/$name" ]; then hd_drop_unit "$name"; hd_reloaded=true; fi
  done <"$work/units.list"
  [ -z "$hd_reloaded" ] || hd_reload
  grep -v '\.conf$' "$work/units.list" | while IFS= read -r name; do
    [ -f "$work/units/$name" ] || continue
    case $(hd_was "$name" UnitFileState)/$(hd_show "$name" UnitFileState) in
      enabled/enabled) ;; enabled/*) hd_ctl enable "$name" ;; disabled/enabled) hd_ctl disable "$name" ;;
    esac
    # Stopped because it was to go, or changed: it runs again as it did.
    case " $(hd_units | tr '\n' ' ') " in *" $name "* | *" \${name%.service} "*) ;; *) ! hd_ran "$name" || [ -z "$hd_reloaded" ] || hd_start_again "$name" ;; esac
  done
  failed=
  for unit in $(hd_units); do
    if hd_ran "$unit"; then hd_start_again "$unit" || [ "$(hd_was "$unit" ActiveState)" != active ] || failed=$unit
    elif [ "$(hd_show "$unit" LoadState)" = loaded ]; then hd_ctl stop "$unit" || :; fi
  done
  [ -z "$failed" ] || { echo "$failed could not be started again." >&2; exit 1; }
fi
`

const changed = sh`
hd_unit_files | while IFS= read -r name; do
  file=$path/$(hd_file_of "$name"); [ ! -f "$release/tree/$(hd_file_of "$name")" ] || file=$release/tree/$(hd_file_of "$name")
  cmp -s -- "$file" "$hd_unit_dir/$name" || echo "$name is not installed as the release has it" >&3
done
`

const inspect = sh`
for unit in $(hd_units); do printf '%s %s since %s\n' "$unit" "$(hd_show "$unit" ActiveState)" "$(hd_show "$unit" ActiveEnterTimestamp)" >&3; done
`

export interface Units {
  /** Comes first in each of the others. */
  readonly head: string
  readonly snapshot: string
  /** What a later release has to remove when it has it no more. */
  readonly list: string
  readonly reach: string
  readonly activate: string
  readonly back: string
  readonly changed: string
  readonly inspect: string
}

export function unitScripts({ services, restart, unitFiles, scope }: UvOptions, programs: Programs): Units {
  const each = (names: readonly string[]) => (names.length === 0 ? ':' : `printf '%s\\n' ${names.map(quote).join(' ')}`)
  const files = unitFiles.map((file) => ({ file, name: unitName(file) }))
  const cases = files.map(
    ({ file, name }) =>
      `${[...new Set([name, unitOf(name), unitOf(name).replace(/\.service$/, '')])].map(quote).join(' | ')}) echo ${quote(file)} ;;`,
  )
  const head = `${assign({
    hd_user_scope: scope === 'user' ? '--user' : '',
    hd_systemctl: programs.systemctl,
    hd_install: programs.install,
    hd_rm: programs.rm,
  })}hd_services() { ${each(services)}; }
hd_units() { ${each([...new Set([...restart, ...services])])}; }
hd_unit_files() { ${each(files.map(({ name }) => name))}; }
hd_file_of() { case $1 in ${cases.join(' ')} *) ;; esac; } # the file of the tree that becomes this unit
${asRoot}${functions}`
  return { head, snapshot, list: 'hd_unit_files >"$release/units"\n', reach, activate, back, changed, inspect }
}
