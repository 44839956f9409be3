import { sh } from '../../shell.ts'

/** What a Swarm needs beside what Compose needs. `stack` in the folder of a release is the name of its stack. */
export const stackFunctions = sh`
hc_stack=\${hc_project:-$(basename -- "$state" | tr 'A-Z' 'a-z')}
# A stack reads no .env file: what is in it has to be in the environment of the tool, and nowhere else.
hc_stack_env() {
  while IFS= read -r hc_each || [ -n "$hc_each" ]; do
    hc_each=\${hc_each#export }
    case $hc_each in '#'* | '' | *' '*=* | [0-9=]*) continue ;; *=*) ;; *) continue ;; esac
    hc_value=\${hc_each#*=}
    case $hc_value in \"*\") hc_value=\${hc_value#?}; hc_value=\${hc_value%?} ;; \'*\') hc_value=\${hc_value#?}; hc_value=\${hc_value%?} ;; esac
    export "\${hc_each%%=*}=$hc_value"
  done
}
hc_stack_tool() ( # FOLDER COMMAND...: docker stack, with the files and variables of the folder at hand
  hc_set=$1; shift
  hc_verb=$1; shift
  [ ! -f .env ] || hc_stack_env <.env
  for hc_each in "$hc_set/names.yml" "$hc_set/digests.yml"; do [ ! -s "$hc_each" ] || set -- -c "$hc_each" "$@"; done
  while IFS= read -r hc_each; do set -- -c "$hc_each" "$@"; done <"$hc_set/files"
  hc_with_login stack "$hc_verb" "$@" </dev/null 3>&-
)
hc_stack_services() { hd_docker service ls -q --filter "label=com.docker.stack.namespace=$hc_stack"; }
hc_version() { sed -n 's/^version: *//p' "$(tail -n 1 "$hc_new/files")" | tr -d "\"'" | head -n 1; }
`

export const stackLook = sh`
umask 077
[ "$(hd_docker info -f '{{.Swarm.ControlAvailable}}' 2>/dev/null)" = true ] || { hc_refuse HD-STACK-01 "This host is no manager of a Swarm." "A stack can be deployed by a manager only." "Name a manager in host, or run docker swarm init there."; exit 0; }
hd_docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}' | while read -r node status availability; do
  [ "$status" = Ready ] && [ "$availability" = Active ] || hc_say warn "The node $node is $status and $availability: it runs no new tasks."
done
hc_picture
mkdir -p "$hc_new"; cd -- "$hc_check"
echo "$hc_stack" >"$hc_new/stack"; printf %s "$hc_pins" >"$hc_new/pins.yml"; rm -f "$hc_new/names.yml" "$hc_new/digests.yml"
if [ -z "$hc_files" ]; then for hc_each in docker-stack.yml docker-stack.yaml stack.yml stack.yaml compose.yaml compose.yml docker-compose.yml docker-compose.yaml; do [ ! -f "$hc_each" ] || { hc_files=$hc_each; break; }; done; fi
printf '%s\n' "$hc_files" | grep . | sed '1!G;h;$!d' >"$hc_new/files"
if [ ! -s "$hc_new/files" ]; then hc_refuse HD-COMPOSE-01 "There is no stack file." "docker-stack.yml is not in source." "Name it in compose-files, relative to source."; exit 0; fi
hc_read_stack() {
  hc_stack_tool "$hc_new" config >"$work/compose/resolved" 2>"$work/compose/said" || {
    hc_refuse HD-COMPOSE-01 "The engine refuses the stack file." "$(tail -n 3 "$work/compose/said")" "Correct the file; docker stack config -c FILE tells the same. Nothing was changed."; exit 0; }
  awk -v from="$hc_check" -v to="$path" '{ out = ""; while ((i = index($0, from)) > 0) { out = out substr($0, 1, i - 1) to; $0 = substr($0, i + length(from)) } print out $0 }' "$work/compose/resolved" >"$work/compose/config"
  hc_read_config "$hc_stack" <"$work/compose/config" >"$work/compose/parts"
}
hc_read_stack
hc_unset=$(sed -n 's/.*[Tt]he [\\"]*\([A-Za-z_][A-Za-z0-9_]*\)[\\"]* variable is not set.*/\1/p' "$work/compose/said" | sort -u)
[ -z "$hc_unset" ] || hc_refuse HD-COMPOSE-02 "Variables of the stack file are not set: $hc_unset." "The engine would put nothing in their place and go on." "Set them in env-file, or give them a default: "'\${NAME:-value}.'
# Configs and secrets cannot be changed: another content gets another name, and the old one stays for the way back.
for kind in config secret; do
  sed -n "s/^file|$kind|//p" "$work/compose/parts" | while IFS='|' read -r key file; do
    from=$file; case $file in "$path"/*) from=$hc_check/\${file#"$path"/} ;; esac
    sum=$(sha256sum <"$from" 2>/dev/null | cut -c1-12)
    [ -n "$sum" ] || { hc_refuse HD-COMPOSE-03 "The file of the $kind $key is not there." "$file" "Add it to source, or to secret-files."; continue; }
    printf '"%s":{"name":"%s_%s_%s","file":"%s"}\n' "$key" "$hc_stack" "$key" "$sum" "$file"
  done >"$work/compose/$kind.names"
done
if [ -s "$work/compose/config.names" ] || [ -s "$work/compose/secret.names" ]; then
  hc_is=$(hc_version)
  { printf '{'; [ -z "$hc_is" ] || printf '"version":"%s",' "$hc_is"
    printf '"configs":{%s},' "$(paste -sd, "$work/compose/config.names")"; printf '"secrets":{%s}}\n' "$(paste -sd, "$work/compose/secret.names")"; } >"$hc_new/names.yml"
fi
sed -n 's/^service|//p' "$work/compose/parts" | while IFS='|' read -r service ref rest; do
  hc_pin=$(printf '%s\n' "$hc_pinned_refs" | sed -n "s/^$service=//p"); echo "$service|\${hc_pin:-$ref}|$rest"
done >"$hc_new/services"
for service in $hc_pinned; do grep -q "^$service|" "$hc_new/services" || hc_refuse HD-COMPOSE-03 "There is no service $service." "images gives it an image, and the stack file does not know it." "Check the name."; done
: >"$hc_new/binds"
{ sed -n 's/^[^#=]*=//p' .env 2>/dev/null; hd_each_file hc_values; } | sed "s/^[\"']//; s/[\"' ]*\$//" >"$work/compose/values"
hc_redact "$work/compose/values" <"$work/compose/config" >"$hc_new/config.yml"
hc_orphans=$(for hc_each in $(hc_stack_services); do hd_docker service inspect -f '{{.Spec.Name}}' "$hc_each"; done | while IFS= read -r name; do grep -q "^\${name#"$hc_stack"_}|" "$hc_new/services" || printf ' %s' "$name"; done)
[ -z "$hc_orphans" ] || hc_say warn "Services run that the stack file does not know any more:$hc_orphans. They are left as they are; docker service rm removes them."
hc_say note "stack $hc_stack, $(wc -l <"$hc_new/services" | tr -d ' ') services, $(hd_docker node ls -q | wc -l | tr -d ' ') nodes"
`

export const stackSnapshot = sh`
( umask 077; mkdir -p "$hc_old" )
for hc_each in $(hc_stack_services); do
  hd_docker service inspect -f '{{.Spec.Name}}' "$hc_each" && hd_docker service inspect -f '{{json .Spec}}' "$hc_each" >"$hc_old/$hc_each.json" || exit 1
done >"$hc_old/services" || exit 1
chmod 600 "$hc_old"/*.json 2>/dev/null || :
`

/** Every image is resolved here and once, so that no node and no later moment gets another one. */
export const stackBuild = sh`
umask 077
mkdir -p "$work/compose"
trap 'hc_code=$?; hc_back; [ "$hc_code" = 0 ] || hc_logout; rm -f "$release/secrets/registry-password"' EXIT
trap 'exit 143' TERM
hc_login
: >"$work/compose/images"
while IFS='|' read -r service ref build platform user policy; do
  hc_known=$(awk -F '|' -v ref="$ref" '$2 == ref { print $4; exit }' "$work/compose/images"); hc_image=
  if [ -n "$hc_known" ]; then :
  elif [ -f "$release/record.json" ] && hc_known=$(awk -F '|' -v service="$service" -v ref="$ref" '$1 == service && $2 == ref { print $4; exit }' "$hc_new/images") && [ -n "$hc_known" ]; then :
  elif hc_by_digest "$ref"; then hc_known=\${ref##*@}
  else hc_fetch "$ref" "$platform" hc_pull; hc_known=$(hc_digest "$ref"); hc_back; fi
  echo "$service|$ref|$hc_image|$hc_known" >>"$work/compose/images"
  echo "$service: $ref is \${hc_known:-an image of this host alone}"
done <"$hc_new/services"
mv -f "$work/compose/images" "$hc_new/images"
cd -- "$hc_check" 2>/dev/null || cd -- "$release/tree" 2>/dev/null || cd -- "$path"
hc_is=$(hc_version)
{ printf '{'; [ -z "$hc_is" ] || printf '"version":"%s",' "$hc_is"
  printf '"services":{%s}}\n' "$(awk -F '|' '{ sub(/@.*/, "", $2); printf "%s\"%s\":{\"image\":\"%s%s\"}", (NR > 1 ? "," : ""), $1, $2, ($4 != "" ? "@" $4 : "") }' "$hc_new/images")"; } >"$hc_new/digests.yml"
`

export const stackApply = sh`
trap hc_logout EXIT
trap 'exit 143' TERM
cd -- "$path"
hc_auth=; [ ! -d "$hc_login_folder" ] && [ ! -r "$HOME/.docker/config.json" ] || hc_auth=--with-registry-auth
hc_stack_tool "$hc_new" deploy --resolve-image never $hc_auth "$hc_stack"
`

/** Each service gets the very specification that it had. The tool itself knows one step back only, so the engine is asked. */
export const stackRestore = sh`
hc_logout
hc_socket=/var/run/docker.sock
hc_post() { # ADDRESS FILE
  hc_answer=$(curl -s --unix-socket "$hc_socket" -o "$work/compose/answer" -w '%{http_code}' -H 'Content-Type: application/json' --data-binary "@$2" "http://docker/$1")
  case $hc_answer in 2*) return 0 ;; *) cat "$work/compose/answer" >&2; return 1 ;; esac
}
if [ -f "$hc_old/services" ]; then
  for hc_each in $(hc_stack_services); do [ -f "$hc_old/$hc_each.json" ] || hd_docker service rm "$hc_each" >/dev/null; done
  for hc_spec in "$hc_old"/*.json; do
    [ -f "$hc_spec" ] || continue
    hc_each=$(basename -- "$hc_spec" .json)
    if hc_now=$(hd_docker service inspect -f '{{json .Spec}}' "$hc_each" 2>/dev/null); then
      [ "$hc_now" != "$(cat "$hc_spec")" ] || continue
      if command -v curl >/dev/null 2>&1 && [ -w "$hc_socket" ]; then hc_post "services/$hc_each/update?version=$(hd_docker service inspect -f '{{.Version.Index}}' "$hc_each")&registryAuthFrom=spec" "$hc_spec"
      else hd_docker service update --detach --rollback "$hc_each" >/dev/null; fi
    else hc_post services/create "$hc_spec"; fi
  done
fi
`

/** Configs and secrets that no kept release names; one that a service uses cannot be removed. */
export const stackTidy = sh`
for kind in config secret; do
  hd_docker "$kind" ls --filter "label=com.docker.stack.namespace=$hc_stack" --format '{{.Name}}' 2>/dev/null | grep -E '_[0-9a-f]{12}$' | while IFS= read -r name; do
    cat "$state"/releases/*/compose/names.yml 2>/dev/null | grep -qF "\"$name\"" || hd_docker "$kind" rm "$name" >/dev/null 2>&1 </dev/null
  done
done || :
`

export const stackInspect = sh`
for hc_each in $(hc_stack_services); do hd_docker service inspect -f '{{.Spec.Name}} {{.Spec.TaskTemplate.ContainerSpec.Image}} {{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' "$hc_each"; done | sort >&3
`

/** The tree is the same; what else can differ is where a tag points to, and what somebody did by hand. */
export const stackDiff = sh`
while IFS='|' read -r service ref _; do
  hc_is=$(hd_docker service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "\${hc_stack}_$service" 2>/dev/null </dev/null) || { echo "$service would be created" >&3; continue; }
  case $ref in *@sha256:*) [ "\${hc_is##*@}" = "\${ref##*@}" ] || echo "$service would run another image" >&3 ;; *) echo "$service: $ref may have moved" >&3 ;; esac
done <"$hc_new/services"
`

/** What somebody did to the services by hand. The engine may have other names for an image; its digest is the same. */
export const stackDrift = sh`
while IFS='|' read -r service ref _ digest; do
  hc_is=$(hd_docker service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "\${hc_stack}_$service" 2>/dev/null </dev/null) || { echo "$service is gone" >&3; continue; }
  [ -z "$digest" ] || [ "\${hc_is##*@}" = "$digest" ] || echo "$service runs $hc_is, and was deployed with $digest" >&3
done <"$hc_new/images"
`
