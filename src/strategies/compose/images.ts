import { sh } from '../../shell.ts'

/**
 * Images, before anything stops. `$hc_new/images` gets a line for each service: SERVICE|REFERENCE|ID|DIGEST. A pull
 * moves the tag at once, and the tag is what a reboot or a `docker compose up` by hand would start; so it is put back
 * until the change itself. Every image that a release needs has a tag of ours, or a prune would take it.
 */
export const imageFunctions = sh`
hc_login_folder=$work/login
hc_with_login() { if [ -d "$hc_login_folder" ]; then hd_docker --config "$hc_login_folder" "$@"; else hd_docker "$@"; fi; }
# In a configuration of its own, which goes again: nothing on the host stays logged in. What it has of its own is lent.
hc_login() {
  [ -s "$release/secrets/registry-password" ] || return 0
  hc_home=\${DOCKER_CONFIG:-$HOME/.docker}
  rm -rf "$hc_login_folder"; (umask 077; mkdir -p "$hc_login_folder")
  for hc_each in cli-plugins contexts; do [ ! -d "$hc_home/$hc_each" ] || ln -s "$hc_home/$hc_each" "$hc_login_folder/$hc_each"; done
  if [ -r "$hc_home/config.json" ] && ! grep -Eq 'credsStore|credHelpers' "$hc_home/config.json"; then (umask 077; cat "$hc_home/config.json" >"$hc_login_folder/config.json"); fi
  hc_said=$(hd_docker --config "$hc_login_folder" login --username "$hc_registry_user" --password-stdin \${hc_registry:+"$hc_registry"} <"$release/secrets/registry-password" 2>&1) && return 0
  printf '%s\nhd-failed: login\t%s\n' "$hc_said" "$(printf '%s\n' "$hc_said" | grep -v '^$' | tail -n 1)" >&2
  return 1
}
hc_logout() {
  [ ! -d "$hc_login_folder" ] || { hd_docker --config "$hc_login_folder" logout \${hc_registry:+"$hc_registry"} >/dev/null 2>&1 || :; rm -rf "$hc_login_folder"; }
}
hc_id() { hd_docker image inspect -f '{{.Id}}' "$1" 2>/dev/null </dev/null; }
hc_by_digest() { case $1 in *@sha256:*) return 0 ;; *) return 1 ;; esac; }
hc_back_ref=
hc_back() { [ -z "$hc_back_ref" ] || { hd_docker tag "$hc_back_id" "$hc_back_ref" && hd_docker rmi "$hc_kept:$DEPLOY_ID.held" >/dev/null; hc_back_ref=; }; }
# The image of a reference, as it is now at the registry or as it is built, into $hc_image; the reference stays where it was.
hc_fetch() { # REFERENCE PLATFORM COMMAND...
  hc_ref=$1; hc_platform=$2; shift 2
  hc_was=$(hc_id "$hc_ref") || hc_was=
  if [ -n "$hc_was" ] && ! hc_by_digest "$hc_ref"; then
    # Some engines delete an image at once when its last name moves on.
    hd_docker tag "$hc_was" "$hc_kept:$DEPLOY_ID.held" && hc_back_id=$hc_was && hc_back_ref=$hc_ref || return 1
  fi
  if [ -z "$hc_was" ] || ! hc_by_digest "$hc_ref"; then "$@" </dev/null || { echo "hd-failed: fetch	$hc_ref" >&2; return 1; }; fi
  hc_image=$(hc_id "$hc_ref") || return 1
  [ "$hc_image" != "$hc_was" ] || { hd_docker rmi "$hc_kept:$DEPLOY_ID.held" >/dev/null 2>&1 || :; hc_back_ref=; }
}
hc_pull() { hc_with_login pull \${hc_platform:+--platform "$hc_platform"} "$hc_ref"; }
hc_build() ( [ ! -d "$hc_login_folder" ] || { DOCKER_CONFIG=$hc_login_folder; export DOCKER_CONFIG; }; hc_compose "$hc_new" build "$hc_service_name" )
# The digest by which the registry knows an image, of those that it may have had elsewhere.
hc_digest() { # REFERENCE
  hc_repository=\${1%@*}; case \${hc_repository##*/} in *:*) hc_repository=\${hc_repository%:*} ;; esac
  hd_docker image inspect -f '{{range .RepoDigests}}{{println .}}{{end}}' "$1" </dev/null 2>/dev/null | awk -v of="$hc_repository@" '{ if (index($0, of) == 1) { print substr($0, length(of) + 1); exit } }'
}
# What an earlier release was deployed with: by its id, by our tag, or at last by its digest, which never moves.
hc_recorded() { # SERVICE REFERENCE: into $hc_image and $hc_known
  hc_line=$(awk -F '|' -v service="$1" -v ref="$2" '$1 == service && $2 == ref' "$hc_new/images" 2>/dev/null | tail -n 1)
  [ -n "$hc_line" ] || return 1
  hc_known=\${hc_line##*|}; hc_image=\${hc_line%|*}; hc_image=\${hc_image##*|}
  ! hc_id "$hc_image" >/dev/null || return 0
  ! hc_image=$(hc_id "$hc_kept:$DEPLOY_ID.$1") || return 0
  [ -n "$hc_known" ] || return 1
  echo "The image of $1 is not on the host any more: it is pulled by its digest." >&2
  hc_platform=; hc_ref=\${2%@*}; case \${hc_ref##*/} in *:*) hc_ref=\${hc_ref%:*} ;; esac; hc_ref=$hc_ref@$hc_known
  hc_pull </dev/null && hc_image=$(hc_id "$hc_ref")
}
hc_keep_image() { hd_docker tag "$1" "$hc_kept:$2" </dev/null; }
hc_each_old() { # FUNCTION: for each container of before: ID SERVICE IMAGE REFERENCE NAME STATE
  while IFS='|' read -r hc_1 hc_2 hc_3 hc_4 hc_5 hc_6; do "$1" "$hc_1" "$hc_2" "$hc_3" "$hc_4" "$hc_5" "$hc_6" </dev/null || return 1; done <"$hc_old/containers"
}
hc_keep_old() { hc_keep_image "$3" "$DEPLOY_ID.old.$2"; }
`

export const snapshot = sh`
mkdir -p "$hc_old"
hc_running_project >"$hc_old/project" || exit 1
hc_containers "$(cat "$hc_old/project")" "{{.Id}}|$hc_service|{{.Image}}|{{.Config.Image}}|{{.Name}}|{{.State.Status}}" >"$hc_old/containers" || exit 1
: >"$hc_old/profiles"; : >"$hc_old/files"
if [ -n "$prev" ] && [ -s "$prev/compose/files" ]; then cp "$prev/compose/files" "$prev/compose/profiles" "$hc_old/"
elif [ -s "$hc_old/containers" ]; then
  # Started by hand: its containers know from which files.
  hc_containers "$(cat "$hc_old/project")" '{{index .Config.Labels "com.docker.compose.project.config_files"}}' | sort | uniq -c | sort -rn | sed -n '1s/^ *[0-9]* //p' | tr ',' '\n' | sed '1!G;h;$!d' >"$hc_old/files"
fi
`

export const build = sh`
umask 077
trap 'hc_back; hc_logout; rm -f "$release/secrets/registry-password"' EXIT
trap 'exit 143' TERM
hc_each_old hc_keep_old
hc_login
: >"$work/compose/images"; : >"$work/compose/fetched"
while IFS='|' read -r service ref build platform user policy; do
  hc_service_name=$service; hc_known=
  if [ -f "$release/record.json" ] && hc_recorded "$service" "$ref"; then :
  elif hc_image=$(awk -F '|' -v ref="$ref" '$1 == ref { print $2; exit }' "$work/compose/fetched") && [ -n "$hc_image" ]; then :
  elif [ -n "$build" ]; then cd -- "$hc_check"; hc_fetch "$ref" '' hc_build; hc_back
  elif [ "$policy" = never ]; then hc_image=$(hc_id "$ref") || { echo "hd-failed: fetch	$ref" >&2; exit 1; }
  else hc_fetch "$ref" "$platform" hc_pull; hc_known=$(hc_digest "$ref"); hc_back; fi
  echo "$ref|$hc_image" >>"$work/compose/fetched"
  [ -n "$hc_known" ] || hc_known=$(awk -F '|' -v ref="$ref" '$2 == ref { print $4 }' "$work/compose/images" | head -n 1)
  hc_keep_image "$hc_image" "$DEPLOY_ID.$service"
  echo "$service|$ref|$hc_image|$hc_known" >>"$work/compose/images"
  echo "$service: $ref is \${hc_known:-$hc_image}"
done <"$hc_new/services"
mv -f "$work/compose/images" "$hc_new/images"
`

/** Names of releases that are gone take their images with them; one that a container uses stays. */
export const tidy = sh`
hd_docker images --format '{{.Tag}}' "$hc_kept" 2>/dev/null | while IFS= read -r tag; do
  # Of a release before, its own names are enough; what ran before the first one has no other.
  case $tag in *.old.*) [ -z "$prev" ] || { hd_docker rmi "$hc_kept:$tag" >/dev/null 2>&1 </dev/null; continue; } ;; esac
  [ -d "$state/releases/\${tag%%.*}" ] || hd_docker rmi "$hc_kept:$tag" >/dev/null 2>&1 </dev/null
done || :
`
