import { quote, sh } from '../../shell.ts'
import type { UvOptions } from './options.ts'
import { type Commands, sudoers } from './sudoers.ts'

const tab = '\t'
/** A line break inside of a refusal, which is one line. */
const refusal = (code: string, what: string, why: string, fix: string) =>
  `printf '%s\\n' ${quote(`refuse ${[code, what, why, fix].map((text) => text.trim().replaceAll('\n', '\\n')).join(tab)}`)} >&3`

const functions = sh`
hd_say() { printf '%s %s\n' "$1" "$2" >&3; }
hd_refuse() { printf 'refuse %s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >&3; }
# The file of the tree that a unit is going to be, else the one that systemd knows.
hd_text_of() { # UNIT
  file=$(hd_file_of "$1")
  if [ -n "$file" ] && [ -f "$hd_tree/$file" ]; then cat -- "$hd_tree/$file"; else "$hd_systemctl" $hd_user_scope cat -- "$1" 2>/dev/null; fi
}
hd_tree=$release/tree; [ -d "$hd_tree" ] || hd_tree=$path
`

const look = sh`
if [ ! -x "$hd_systemctl" ] || [ ! -d /run/systemd/system ]; then
  [ -z "$(hd_units; hd_unit_files)" ] || hd_refuse HD-UNIT-04 "There is no systemd on this host." "The units of services cannot be restarted." "Leave services, restart and unit-files out, and restart by after."
  exit 0
fi
if [ -n "$hd_user_scope" ]; then
  me=$(id -un)
  if ! "$hd_systemctl" --user show -p Version >/dev/null 2>&1 || [ ! -e "/var/lib/systemd/linger/$me" ]; then
    hd_refuse HD-UNIT-04 "The user units of $me do not outlive its logins." "Without lingering systemd ends them with the last session." "On the host run: sudo loginctl enable-linger $me"
    exit 0
  fi
fi
[ -n "$(hd_services)" ] || hd_say warn "No unit is named in services: nothing that runs already will run the new code."
for unit in $(hd_services; hd_units | sort -u); do
  case " \${hd_seen-} " in *" $unit "*) continue ;; esac; hd_seen="\${hd_seen-} $unit"
  if [ -z "$(hd_file_of "$unit")" ]; then
    case $(hd_show "$unit" LoadState) in
      loaded) ;;
      masked) hd_refuse HD-UNIT-01 "$unit is masked." "It cannot be started." "On the host run: systemctl unmask $unit"; continue ;;
      not-found) hd_refuse HD-UNIT-01 "There is no unit $unit on this host." "Neither systemd knows it, nor is its file among unit-files." "Check the name in services and restart, or name its file in unit-files."; continue ;;
      *) hd_refuse HD-UNIT-01 "systemd cannot load $unit." "$(hd_show "$unit" LoadError)" "On the host run: systemctl status $unit"; continue ;;
    esac
  fi
  hd_text=$(hd_text_of "$unit" | sed -n 's/^\(Exec[A-Za-z]*\|WorkingDirectory\|Environment\)=//p')
  started=$(hd_text_of "$unit" | sed -n 's/^ExecStart=[-@:+!]*//p' | tail -n 1)
  case $started in
    *uv\ run* ) hd_say warn "$unit starts by uv run, which may change its environment, and the network is needed for that. Better: ExecStart=$path/.venv/bin/\${started##*uv run }" ;;
  esac
  if [ "$(hd_show "$unit" NeedDaemonReload)" = yes ]; then hd_say warn "The file of $unit is another than the one systemd has read (NeedDaemonReload)."; fi
  hd_real=$(readlink -f "$path" 2>/dev/null || :)
  if [ -n "$hd_text" ] && hd_services | grep -qxF -- "$unit"; then
    case $hd_text in *"$path"* | *"\${hd_real:-$path}"* | *%h*) ;; *) hd_say warn "$unit names $path nowhere: perhaps it runs other code than what is deployed." ;; esac
  fi
done
# What systemd itself makes of the files; that the program is not there yet is no fault of them.
hd_unit_files | while IFS= read -r name; do
  file=$(hd_file_of "$name")
  if [ ! -f "$hd_tree/$file" ]; then hd_refuse HD-UNIT-01 "$file is not in the source." "unit-files names it." "Check the path, which is relative to source."; continue; fi
  case $name in *.conf) continue ;; esac
  hd_analyze=$(dirname -- "$hd_systemctl")/systemd-analyze; [ -x "$hd_analyze" ] || continue
  hd_said=$("$hd_analyze" $hd_user_scope verify --recursive-errors=no "$hd_tree/$file" 2>&1) && hd_code=0 || hd_code=$?
  case $hd_said in *'unrecognized option'*) hd_said=$("$hd_analyze" $hd_user_scope verify "$hd_tree/$file" 2>&1) && hd_code=0 || hd_code=$? ;; esac
  hd_said=$(printf '%s\n' "$hd_said" | grep -v "is not executable: No such file or directory" | grep -F -- "$name" | sed "s|$hd_tree/||" | tr '\n\t' '  ')
  [ -n "$hd_said" ] || continue
  if [ "$hd_code" = 0 ]; then hd_say warn "$hd_said"
  else hd_refuse HD-UNIT-01 "systemd refuses the unit file $file." "$hd_said" "Correct it; systemd-analyze verify $file tells the same."; fi
done
hd_serve=$(tailscale serve status 2>/dev/null </dev/null | grep -v '^$' | head -n 6 | tr '\n' ' ') || :
case $hd_serve in '' | *[Nn]o\ serve\ config*) ;; *) hd_say note "tailscale serve: $hd_serve" ;; esac
`

/** Who is not root, and cannot become root for everything, has to be allowed each of the commands. */
export function preflight(user: string, commands: Commands, asksSudo: boolean, { scope }: UvOptions): string {
  const tests = commands.needed.map((words) => `sudo -n -l ${words.map(quote).join(' ')} >/dev/null 2>&1`)
  const refuse = refusal(
    'HD-SUDO-01',
    `${user} may not restart the units without a password.`,
    'They belong to the system, and sudo asks for a password or does not allow it.',
    `Deploy units of the user (\`service-scope: user\`), or on the host write this into a file of its own in /etc/sudoers.d (mode 0440; \`visudo -c\` checks it):\n${sudoers(user, commands)}`,
  )
  const ask =
    asksSudo && scope === 'system' && tests.length > 0 ? `if ! { ${tests.join(' && ')}; }; then ${refuse}; fi\n` : ''
  return `${functions}${ask}${look}`
}
