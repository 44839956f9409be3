import type { Engine } from '../../remote/engine.ts'
import { engineFunctions } from '../../remote/engine.ts'
import { assign, sh } from '../../shell.ts'
import type { ComposeOptions } from './options.ts'

/**
 * What all scripts of the strategy begin with. How a release calls Compose is kept in a folder: `files` (the last one
 * first), `profiles` and `project`; that of the release is $hc_new, that of the version before it $hc_old.
 */
export function projectHead(options: ComposeOptions, engine: Engine, name: string): string {
  const lines = (items: readonly string[]) => items.map((item) => `${item}\n`).join('')
  const values = assign({
    hc_files: lines(options.files),
    hc_profiles: lines(options.profiles),
    hc_project: options.project,
    hc_pins: pins(options),
    hc_pinned: options.images.map(({ service }) => service).join(' '),
    hc_pinned_refs: lines(options.images.map(({ service, ref }) => `${service}=${ref}`)),
    hc_verify: options.verify,
    hc_registry: options.registry,
    hc_registry_user: options.registryUser,
    hc_up: upOptions(engine),
    hc_dash: engine.compose.version.startsWith('1.') ? '_' : '-',
    hc_kept: `homelab-deploy/${imageName(name)}`,
  })
  return `${values}${engineFunctions(engine)}${functions}`
}

/** A Compose file that gives services their images, whatever the others say. */
function pins({ images }: ComposeOptions): string {
  const services = images.map(({ service, ref }) => [service, { image: ref }])
  return services.length === 0 ? '' : `${JSON.stringify({ services: Object.fromEntries(services) })}\n`
}

/** Never a pull and never a build: what is to run lies on the host. Compose learnt `--pull` for `up` with 2.12. */
function upOptions({ compose: { version } }: Engine): string {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 12) ? '--no-build --pull never' : '--no-build'
}

/** The names of images know less than those of applications. */
function imageName(name: string): string {
  return (
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '') || 'app'
  )
}

const functions = sh`
hc_new=$release/compose; hc_old=$work/compose/old; hc_check=$work/check/$(basename -- "$path")
# What a script has to say to people who read no log.
hc_warn() { printf 'homelab-deploy: warning: %s\n' "$1"; }
hc_dotenv() { # NAME: its value in the .env of the folder at hand
  sed -n "s/^\(export \)\{0,1\}$1=//p" .env 2>/dev/null | tail -n 1 | sed "s/^[\"']//; s/[\"' ]*\$//"
}
# The Compose files of the folder at hand, as Compose itself would find them, but never those of a folder above.
hc_find_files() {
  if [ -n "$hc_files" ]; then printf %s "$hc_files"; return; fi
  hc_named=$(hc_dotenv COMPOSE_FILE)
  if [ -n "$hc_named" ]; then printf '%s\n' "$hc_named" | tr ':' '\n'; return; fi
  for hc_each in compose.yaml compose.yml docker-compose.yml docker-compose.yaml; do
    [ -f "$hc_each" ] || continue
    echo "$hc_each"
    for hc_more in "\${hc_each%.*}.override.yaml" "\${hc_each%.*}.override.yml"; do [ ! -f "$hc_more" ] || { echo "$hc_more"; break; }; done
    return
  done
}
hc_compose() ( # FOLDER ARGUMENT...: Compose, as the release of that folder calls it
  hc_set=$1; shift
  while IFS= read -r hc_each; do set -- --profile "$hc_each" "$@"; done <"$hc_set/profiles"
  while IFS= read -r hc_each; do set -- -f "$hc_each" "$@"; done <"$hc_set/files"
  [ ! -s "$hc_set/project" ] || set -- -p "$(cat "$hc_set/project")" "$@"
  hd_compose_tool "$@" </dev/null 3>&-
)
hc_containers() { # PROJECT FORMAT: a line for each, running or not
  [ -n "$1" ] || return 0
  hc_ids=$(hd_docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$1" --filter label=com.docker.compose.oneoff=False) || return 1
  [ -z "$hc_ids" ] || hd_docker inspect -f "$2" $hc_ids
}
hc_service='{{index .Config.Labels "com.docker.compose.service"}}'
# The project that runs from this folder: as the last release called it, or as its containers say.
hc_running_project() {
  if [ -n "$prev" ] && [ -s "$prev/compose/project" ]; then cat "$prev/compose/project"; return; fi
  for hc_each in "$path" "$(readlink -f "$path" 2>/dev/null)"; do
    hc_id=$(hd_docker ps -aq --filter "label=com.docker.compose.project.working_dir=$hc_each" | head -n 1)
    [ -z "$hc_id" ] || { hd_docker inspect -f '{{index .Config.Labels "com.docker.compose.project"}}' "$hc_id"; return; }
  done
}
# What the resolved configuration on stdin says, one a line: service|NAME|IMAGE|BUILD|PLATFORM|USER|PULL,
# bind|NAME|SOURCE, external|KIND|NAME and file|KIND|NAME|FILE. Compose writes it in one form only, so that it can be read by its indents.
hc_read_config() {
  awk -v project="$1" -v dash="$hc_dash" '
    function bare(text) { sub(/^ *(- )?/, "", text); if (text ~ /^".*"$/ || text ~ /^\047.*\047$/) text = substr(text, 2, length(text) - 2); return text }
    function value(text) { sub(/^[^:]*:/, "", text); return bare(text) }
    function end() {
      if (top == "services" && name != "") print "service|" name "|" (at["image"] != "" ? at["image"] : project dash name) "|" at["build"] "|" at["platform"] "|" at["user"] "|" at["pull_policy"]
      if ((top == "configs" || top == "secrets") && at["file"] != "" && at["name"] == "") print "file|" substr(top, 1, length(top) - 1) "|" name "|" at["file"]
      if ((top == "networks" || top == "volumes") && name != "" && at["external"] == "true") print "external|" substr(top, 1, length(top) - 1) "|" (at["name"] != "" ? at["name"] : name)
      name = ""; key = ""; split("", at)
    }
    /^[a-z]/ { end(); top = $0; sub(/:.*/, "", top); next }
    /^  [^ -].*:/ { end(); name = $0; sub(/: *[^:]*$/, "", name); sub(/:$/, "", name); name = bare(name); next }
    /^    [a-z_]+:/ { key = $1; sub(/:.*/, "", key); at[key] = (key == "build") ? "build" : value($0); next }
    top == "services" && key == "volumes" && /^ +- type: / { type = value($0); next }
    top == "services" && key == "volumes" && /^ +source: / { if (type == "bind") print "bind|" name "|" value($0); next }
    top == "services" && key == "volumes" && /^ +- \// { text = bare($0); sub(/:.*/, "", text); print "bind|" name "|" text }
    END { end() }'
}
`
