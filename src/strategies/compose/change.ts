import { sh } from '../../shell.ts'

const functions = sh`
# References are moved to the images that were chosen; one by digest cannot be moved, and need not.
hc_point() { hc_by_digest "$2" || [ "$(hc_id "$2")" = "$1" ] || hd_docker tag "$1" "$2"; }
# Files that this change gave another content, one a line: those of the tree and those written beside it.
hc_touched() {
  cat "$work/put" "$work/save" 2>/dev/null | sed -n "s/^ //p" | while IFS= read -r hc_each; do printf '%s/%s\n' "$path" "$hc_each"; done
  hd_each_file hc_touched_file
}
hc_touched_file() { [ -e "$work/file.$1" ] && cmp -s "$work/file.$1" "$release/files/$1" || printf '%s\n' "$2"; }
# A container sees a file that was replaced only when it is started anew, and to Compose nothing has changed.
hc_restart_mounts() { # PROJECT CONTAINERS: of these, those that Compose left as they are
  [ -n "$2" ] || return 0
  hc_touched | sort -u >"$work/compose/touched"
  [ -s "$work/compose/touched" ] || return 0
  hc_containers "$1" '{{$id := .Id}}{{$name := .Name}}{{if .State.Running}}{{range .Mounts}}{{if eq .Type "bind"}}{{println $id $name .Source}}{{end}}{{end}}{{end}}' |
    awk -v among="$2" 'NR == FNR { touched[$0]; next } NF && index(among, $1) { source = $0; sub(/^[^ ]* [^ ]* /, "", source); for (file in touched) if (file == source || index(file, source "/") == 1) { print $1, $2; break } }' "$work/compose/touched" - |
    sort -u | while read -r hc_id_of hc_name_of; do
      echo "\${hc_name_of#/} mounts files that were changed, so it is started anew."
      hd_docker restart "$hc_id_of" >/dev/null </dev/null || exit 1
    done
}
hc_present() { hc_containers "$1" '{{.Id}}' | tr '\n' ' '; }
`

/** Folders that containers mount and nobody made yet: Docker would make them for root, and the program could not write there. */
export const prepare = sh`
hc_user_of() { # SERVICE: UID:GID of its program
  hc_user=$(awk -F '|' -v service="$1" '$1 == service { print $5 }' "$hc_new/services")
  [ -n "$hc_user" ] || hc_user=$(hd_docker image inspect -f '{{.Config.User}}' "$hc_image")
  case $hc_user in
    '' | root | 0 | 0:*) echo 0:0 ;;
    *[!0-9:]*)
      # A name: only the image knows its number.
      hc_container=$(hd_docker create "$hc_image" true) || return 1
      hd_docker cp "$hc_container:/etc/passwd" - 2>/dev/null | tar -xO 2>/dev/null | awk -F : -v user="\${hc_user%%:*}" '$1 == user { print $3 ":" $4 }'
      hd_docker rm "$hc_container" >/dev/null ;;
    *:*) echo "$hc_user" ;;
    *) echo "$hc_user:$hc_user" ;;
  esac
}
hc_own() { # FOLDER UID:GID IMAGE: by us where we may, else by the engine, which may always
  chown "$2" "$1" 2>/dev/null || hd_docker run --rm --network none --user 0:0 --entrypoint chown -v "$1:/hd" "$3" "$2" /hd >/dev/null 2>&1
}
while IFS='|' read -r service source; do
  case $source in "$path"/*) ;; *) continue ;; esac
  [ ! -e "$source" ] && [ ! -L "$source" ] || continue
  case \${source##*/} in ?*.*) hc_warn "$service mounts $source, which is not there: Docker will make a folder of that name, though it looks like a file."; continue ;; esac
  hc_image=$(awk -F '|' -v service="$service" '$1 == service { print $3 }' "$hc_new/images")
  owner=$(hc_user_of "$service" </dev/null) || owner=
  mkdir -p -- "$source"; chmod 755 "$source"
  if [ -n "$owner" ] && hc_own "$source" "$owner" "$hc_image" </dev/null; then echo "$source was made for $owner"
  else hc_warn "$source was made, and could not be given to \${owner:-the user} of $service: on the host run chown."; fi
done <"$hc_new/binds"
`

export const apply =
  functions +
  sh`
cd -- "$path"
hc_name=$(cat "$hc_new/project")
while IFS='|' read -r service ref image _; do hc_point "$image" "$ref" </dev/null; done <"$hc_new/images"
hc_before=$(hc_present "$hc_name")
hc_compose "$hc_new" up -d $hc_up
hc_restart_mounts "$hc_name" "$hc_before"
# What can be seen only now, of what the images say too.
hc_containers "$hc_name" "$hc_service|{{.HostConfig.RestartPolicy.Name}}|{{.State.Running}}|{{if .Config.Healthcheck}}{{json .Config.Healthcheck.Test}}{{end}}" | sort -u | while IFS='|' read -r service policy running test; do
  if [ "$running" = true ]; then case $policy in no | '') hc_warn "$service has no restart policy: it will not be there after a reboot of the host. Write restart: unless-stopped." ;; esac; fi
  if printf '%s\n' "$test" | grep -Eq '"CMD(-SHELL)?","(/usr)?(/bin/)?(true|:|exit 0|echo [^|;&]*)"|(\|\||;) *(true|:|exit 0)"\]$|-c"?[ ,]+[^a-z]*(import sys *; *)?(sys\.|os\._)?exit\(0?\)[^a-z]*\]$'; then
    hc_warn "The health check of $service cannot fail, so it says nothing. Use a log: line or a command: of health."
  fi
done
`

/** By what is on the host: the old files, the old images under their old names, and never a pull. */
export const restore =
  functions +
  sh`
hc_name=$(cat "$hc_old/project" 2>/dev/null || :)
hc_now=$(cat "$hc_new/project" 2>/dev/null || :)
hc_point_old() { hc_point "$3" "$4"; }
hc_still() { hd_docker container inspect -f '{{.Name}}' "$1" 2>/dev/null; }
# Compose renames what it is about to replace; where it was stopped in the middle, the name is given back.
hc_rename_old() { hc_is=$(hc_still "$1") || return 0; [ "$hc_is" = "$5" ] || { hc_remove_name "\${5#/}" "$1"; hd_docker rename "$1" "\${5#/}"; }; }
hc_remove_name() { hc_other=$(hd_docker container inspect -f '{{.Id}}' "$1" 2>/dev/null) || return 0; [ "$hc_other" = "$2" ] || hd_docker rm -f "$hc_other" >/dev/null; }
hc_stop_old() { case $6 in exited | created | dead | paused) hc_is=$(hc_still "$1") && hd_docker stop "$5" >/dev/null || : ;; esac; }
# Containers of the failed version go: where the old one is still there, or where there was none. Otherwise Compose
# makes the old one from the new one, and takes its anonymous volumes along.
hc_remove_new() {
  hc_containers "$hc_now" "{{.Id}} $hc_service" | while read -r id service; do
    ! grep -q "^$id|" "$hc_old/containers" || continue
    hc_gone=$(awk -F '|' -v service="$service" '$2 == service { print $1 }' "$hc_old/containers" | while read -r old; do hc_still "$old" >/dev/null </dev/null || echo gone; done)
    [ -n "$hc_gone" ] || hd_docker rm -f "$id" >/dev/null </dev/null
  done
}
if [ -d "$hc_old" ] && [ -f "$hc_old/containers" ]; then
  hc_each_old hc_point_old
  hc_remove_new
  if [ -s "$hc_old/containers" ]; then
    hc_each_old hc_rename_old
    hc_before=$(hc_present "$hc_name")
    [ ! -s "$hc_old/files" ] || hc_compose "$hc_old" up -d $hc_up
    hc_restart_mounts "$hc_name" "$hc_before"
    hc_each_old hc_stop_old
  elif [ -n "$hc_now" ]; then
    for hc_each in $(hd_docker network ls -q --filter "label=com.docker.compose.project=$hc_now"); do hd_docker network rm "$hc_each" >/dev/null 2>&1 || :; done
  fi
fi
`

/** What runs now, for those who ask. */
export const inspect = sh`
hc_containers "$(hc_running_project)" "$hc_service {{.Config.Image}} {{.Image}} {{.State.Status}}{{if .State.Health}} {{.State.Health.Status}}{{end}}" | sort >&3
`

/** What runs, and what the configuration would run: SERVICE HASH IMAGE and SERVICE HASH, in $work; and how they differ. */
const compared = sh`
hc_name=$(cat "$hc_new/project")
hc_containers "$hc_name" "$hc_service {{index .Config.Labels \"com.docker.compose.config-hash\"}} {{.Image}}" | sort -u >"$work/compose/running"
hc_compose "$hc_new" config --hash '*' 2>/dev/null | sort >"$work/compose/hashes"
hc_tell_services() { # ABSENT OTHER: what to say of one without a container, and of one with another configuration
  while read -r service hash; do
    hc_line=$(grep "^$service " "$work/compose/running" | head -n 1)
    if [ -z "$hc_line" ]; then echo "$service $1" >&3
    elif [ "$(printf '%s\n' "$hc_line" | cut -d' ' -f2)" != "$hash" ]; then echo "$service $2" >&3; fi
  done <"$work/compose/hashes"
}
`

/** Whether a tag means another image by now than the one that runs: only the registry knows. */
export const registry = sh`
trap hc_logout EXIT
hc_login 2>/dev/null || :
while IFS='|' read -r service ref build platform _ policy; do
  ! hc_by_digest "$ref" && [ -z "$build" ] && [ "$policy" != never ] || continue
  hc_image=$(grep "^$service " "$work/compose/running" | head -n 1 | cut -d' ' -f3)
  [ -n "$hc_image" ] || continue
  hc_remote=$(hc_with_login manifest inspect -v "$ref" 2>/dev/null </dev/null || hc_with_login manifest inspect -v --insecure "$ref" 2>/dev/null </dev/null) || { echo "$service: the registry does not say whether $ref has moved" >&3; continue; }
  hc_same=
  for hc_each in "$hc_image" $(hd_docker image inspect -f '{{range .RepoDigests}}{{println .}}{{end}}' "$hc_image" </dev/null | sed 's/.*@//'); do case $hc_remote in *"$hc_each"*) hc_same=true ;; esac; done
  [ -n "$hc_same" ] || echo "$service would run another image: $ref has moved" >&3
done <"$hc_new/services"
`

/** Compared by hashes and digests; the tool's own dry run may really recreate containers. */
export const diff =
  functions +
  sh`
(
cd -- "$path" 2>/dev/null || cd -- "$hc_check"
`.concat(
    compared,
    "hc_tell_services 'would be created' 'would be recreated: its configuration differs'\n",
    registry,
    ')\n',
  )

/** What runs otherwise than it was deployed. The registry is not asked: that a tag has moved there is no drift. */
export const drift = sh`
(
mkdir -p "$work/compose"
cd -- "$path" 2>/dev/null || { echo "$path is gone" >&3; exit 0; }
[ -s "$hc_new/project" ] || exit 0
`.concat(
  compared,
  sh`
hc_tell_services 'has no container' 'runs with another configuration than was deployed'
while IFS='|' read -r service ref image digest; do
  grep "^$service " "$work/compose/running" | while read -r _ _ running; do
    [ "$running" = "$image" ] || echo "$service runs the image $running, and was deployed with \${digest:-$image}" >&3
  done
done <"$hc_new/images"
)
`,
)
