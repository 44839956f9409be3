import type { Facts } from '../../remote/facts.ts'
import { howToInstall } from '../../remote/packages.ts'
import { quote, sh } from '../../shell.ts'

/** Looks at the new configuration as it will be at `path`, while the old one runs, and keeps what Compose makes of it. */
export function preflight(facts: Facts): string {
  const { engine } = facts
  if (engine.compose.by === '' && engine.version !== '')
    return refusal(
      'Docker Compose is not on this host.',
      'Neither `docker compose` nor `docker-compose` works for this user.',
      howToInstall(
        'docker compose',
        facts,
        'Install the plugin; on a NAS update Container Manager or Container Station.',
      ),
    )
  if (engine.version === '') return noEngine(facts)
  return `${lookFunctions}${look}`
}

export function noEngine({ engine: { problem, docker }, user: { name } }: Facts): string {
  const line = `${name} ALL=(root) NOPASSWD: ${docker || '/usr/bin/docker'}`
  return refusal(
    'The Docker engine gives no answer.',
    problem || 'There is no docker on this host.',
    `Start it (\`sudo systemctl start docker\`), or let ${name} talk to it: \`sudo usermod -aG docker ${name}\`, or the sudoers line \`${line}\`.`,
  )
}

function refusal(what: string, why: string, fix: string): string {
  const text = ['HD-ENGINE-01', what, why, fix].map((part) => part.replaceAll(/[\t\n]+/g, ' ')).join('\t')
  return `printf '%s\\n' ${quote(`refuse ${text}`)} >&3\n`
}

export const lookFunctions = sh`
hc_line() { printf '%s' "$1" | tr '\n\t' '  '; }
hc_refuse() { printf 'refuse %s\t%s\t%s\t%s\n' "$1" "$(hc_line "$2")" "$(hc_line "$3")" "$(hc_line "$4")" >&3; }
hc_say() { printf '%s %s\n' "$1" "$(hc_line "$2")" >&3; }
# The folder as it is going to be: the new tree, the files written beside it, and what stays at $path.
hc_picture() {
  rm -rf "$work/check" "$work/compose"; mkdir -p "$work/check" "$work/compose" "$hc_old"
  if [ -d "$release/tree" ]; then cp -al "$release/tree" "$hc_check" 2>/dev/null || cp -a "$release/tree" "$hc_check"
  else mkdir -p "$hc_check"; fi
  if [ -d "$path" ]; then
    (cd -- "$path" && if [ -d "$release/tree" ]; then hd_held; else ls -A; fi) | while IFS= read -r hc_each; do
      [ ! -e "$hc_check/$hc_each" ] && [ ! -L "$hc_check/$hc_each" ] || continue
      mkdir -p "$(dirname -- "$hc_check/$hc_each")" && ln -s "$path/\${hc_each#./}" "$hc_check/$hc_each"
    done
  fi
  hd_each_file hc_picture_file
}
hc_picture_file() { # NUMBER DESTINATION
  case $2 in "$path"/*) hc_to=$hc_check/\${2#"$path"/} ;; *) return 0 ;; esac
  mkdir -p "$(dirname -- "$hc_to")" && rm -f "$hc_to" && ln -s "$release/files/$1" "$hc_to"
}
# What is kept for people has no secrets: neither the environment nor anything that a .env file says.
hc_redact() { # FILE OF VALUES
  awk -v values="$1" -v inside=-1 '
    BEGIN { while ((getline line < values) > 0) if (length(line) > 3 && line != "true" && line != "false") secret[line] }
    { indent = match($0, /[^ ]/) - 1 }
    inside >= 0 && indent <= inside { inside = -1 }
    inside >= 0 {
      if (deep == "" || indent <= deep) { deep = indent; if ($0 ~ /^ *- /) sub(/=.*/, "=***"); else sub(/: .*/, ": ***"); print }
      next
    }
    { for (one in secret) while ((i = index($0, one)) > 0) $0 = substr($0, 1, i - 1) "***" substr($0, i + length(one)); print }
    /^ *(environment|args|content):/ { inside = indent; deep = "" }
  '
}
hc_values() { sed -n 's/^[^#=]*=//p' "$release/files/$1"; }
`

const look = sh`
umask 077
hc_picture
mkdir -p "$hc_new"; cd -- "$hc_check"
printf %s "$hc_profiles" >"$hc_new/profiles"; printf %s "$hc_project" >"$hc_new/project"; printf %s "$hc_pins" >"$hc_new/pins.yml"
hc_find_files | sed '1!G;h;$!d' >"$hc_new/files"
if [ ! -s "$hc_new/files" ]; then hc_refuse HD-COMPOSE-01 "There is no Compose file." "Neither compose.yaml nor docker-compose.yml is in source." "Name it in compose-files, relative to source."; exit 0; fi
[ -s "$hc_new/project" ] || hc_dotenv COMPOSE_PROJECT_NAME >"$hc_new/project"
hc_services=$(hc_compose "$hc_new" config --services 2>"$work/compose/said") || {
  hc_refuse HD-COMPOSE-01 "Compose refuses the configuration." "$(grep -v 'level=warning\|^WARNING' "$work/compose/said" | tail -n 3)" "Correct the file; docker compose config -q tells the same. Nothing was changed."; exit 0; }
if [ -s "$hc_new/pins.yml" ]; then
  for service in $hc_pinned; do
    printf '%s\n' "$hc_services" | grep -qxF -- "$service" || hc_refuse HD-COMPOSE-03 "There is no service $service." "images gives it an image, and the Compose files do not know it." "Write one of these: $hc_services"
  done
  printf '%s\n' "$hc_new/pins.yml" | cat - "$hc_new/files" >"$hc_new/files.new" && mv -f "$hc_new/files.new" "$hc_new/files"
fi
hc_compose "$hc_new" config >"$work/compose/resolved" 2>"$work/compose/said" || {
  hc_refuse HD-COMPOSE-01 "Compose refuses the configuration." "$(grep -v 'level=warning\|^WARNING' "$work/compose/said" | tail -n 3)" "Correct the file; docker compose config -q tells the same. Nothing was changed."; exit 0; }
hc_unset=$(sed -n 's/.*[Tt]he [\\"]*\([A-Za-z_][A-Za-z0-9_]*\)[\\"]* variable is not set.*/\1/p' "$work/compose/said" | sort -u)
[ -z "$hc_unset" ] || hc_refuse HD-COMPOSE-02 "Variables of the Compose file are not set: $hc_unset." "Compose would put nothing in their place and go on." "Set them in env-file, or give them a default: "'\${NAME:-value}.'
if [ ! -s "$hc_new/project" ]; then
  sed -n 's/^name: *//p' "$work/compose/resolved" >"$hc_new/project"
  # The first Compose knows no name in a file: it takes that of the folder.
  [ -s "$hc_new/project" ] || { cd "$(dirname -- "$(tail -n 1 "$hc_new/files")")" && basename -- "$PWD" | tr 'A-Z' 'a-z' | tr -cd 'a-z0-9_\n-' >"$hc_new/project"; cd -- "$hc_check"; }
fi
hc_name=$(cat "$hc_new/project"); hc_running=$(hc_running_project)
if [ -n "$hc_running" ] && [ "$hc_running" != "$hc_name" ]; then
  hc_refuse HD-COMPOSE-03 "$path runs as the project $hc_running, and would be started a second time as $hc_name." "The names, and with them the networks and volumes, would be others." "Set compose-project: $hc_running, or take the old one down first."
fi
# As it will be at $path; the picture is only a place to look at it.
awk -v from="$hc_check" -v to="$path" '{ out = ""; while ((i = index($0, from)) > 0) { out = out substr($0, 1, i - 1) to; $0 = substr($0, i + length(from)) } print out $0 }' "$work/compose/resolved" >"$work/compose/config"
hc_read_config "$hc_name" <"$work/compose/config" >"$work/compose/parts"
sed -n 's/^service|//p' "$work/compose/parts" >"$hc_new/services"; sed -n 's/^bind|//p' "$work/compose/parts" >"$hc_new/binds"
{ sed -n 's/^[^#=]*=//p' .env 2>/dev/null; hd_each_file hc_values; } | sed "s/^[\"']//; s/[\"' ]*\$//" >"$work/compose/values"
hc_redact "$work/compose/values" <"$work/compose/config" >"$hc_new/config.yml"
# What was verified is one content for ever; a tag is not.
[ -z "$hc_verify" ] || while IFS='|' read -r service ref build _; do
  case " $hc_pinned " in *" $service "*) ;; *) hc_refuse HD-IMAGE-04 "The image of $service would not be verified." "It runs $ref\${build:+, built on the host}, and verify looks at what images names." "Give it in images with its digest: $service=NAME@sha256:..." ;; esac
done <"$hc_new/services"
sed -n 's/^external|//p' "$work/compose/parts" | while IFS='|' read -r kind name; do
  hd_docker "$kind" inspect "$name" >/dev/null 2>&1 </dev/null || hc_refuse HD-COMPOSE-03 "The $kind $name does not exist." "The Compose file says that it is external, so Compose would not make it." "On the host run: docker $kind create $name"
done
# Where data lies on the host it stays: a switch that would take it away is stopped before it begins.
hc_containers "$hc_running" '{{range .Mounts}}{{if eq .Type "bind"}}{{println .Source}}{{end}}{{end}}' | sort -u | while IFS= read -r source; do
  case $source in "$path"/*) ;; *) continue ;; esac
  hc_each=\${source#"$path"/}
  if [ -d "$release/tree" ] && [ ! -e "$release/tree/$hc_each" ] && [ -e "$source" ] && ! (cd -- "$path" && hd_held) | awk -v one="./$hc_each" '{ if (one == $0 || index(one, $0 "/") == 1 || index($0, one "/") == 1) found = 1 } END { exit !found }'; then
    hc_refuse HD-COMPOSE-03 "$source is mounted by a container, and would be deleted." "It is not in source, and neither protect nor the Compose file names it any more." "Add \${hc_each%%/*}/ to protect, or move it away."
  fi
done
hc_orphans=$(hc_containers "$hc_running" "$hc_service" | sort -u | while IFS= read -r service; do printf '%s\n' "$hc_services" | grep -qxF -- "$service" || printf ' %s' "$service"; done)
[ -z "$hc_orphans" ] || hc_say warn "Containers run of services that the Compose file does not know any more:$hc_orphans. They are left as they are; docker compose -p $hc_name up --remove-orphans would remove them."
hc_root=$(hd_docker info -f '{{.DockerRootDir}}' 2>/dev/null)
hc_free=$(df -Pk "\${hc_root:-/}" 2>/dev/null | awk 'NR == 2 { print $4 }')
if [ "\${hc_free:-999999}" -lt 102400 ]; then hc_refuse HD-DISK-01 "The disk of the engine is nearly full." "$((hc_free / 1024)) MiB are free at $hc_root, which is too little to pull an image." "Free some space: docker system df tells what takes it. What runs was not touched."; fi
hc_size=$(cut -d'|' -f2 "$hc_new/services" | sort -u | while IFS= read -r ref; do hd_docker image inspect -f '{{.Size}}' "$ref" 2>/dev/null </dev/null; done | awk '{ sum += $1 } END { printf "%d", sum / 1024 }')
[ "\${hc_free:-999999999}" -ge "\${hc_size:-0}" ] || hc_say warn "$((hc_free / 1024)) MiB are free at $hc_root; the images of now take $((hc_size / 1024)) MiB, and new ones are kept beside them."
hc_say note "project $hc_name, $(wc -l <"$hc_new/services" | tr -d ' ') services"
`
