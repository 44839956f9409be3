import { quote, sh } from '../shell.ts'

/** The container engine of a host: where its tools lie, who may talk to it, and which Compose there is. */
export interface Engine {
  /** Absolute path of `docker`. */
  readonly docker: string
  /** Whether only root may talk to the engine, by `sudo -n`. */
  readonly sudo: boolean
  /** Of the engine; empty when it gave no answer, and `problem` says why. */
  readonly version: string
  readonly problem: string
  readonly compose: {
    /** `plugin` is `docker compose`; else the absolute path of `docker-compose`; empty without either. */
    readonly by: string
    readonly version: string
  }
  /** What else updates containers or the system on this host, and would undo a rollback. */
  readonly updaters: readonly string[]
}

/** Shell of the facts: says `engine.…` where there is a docker. An engine that hangs must not stop a deploy that needs none. */
export const engineScript = sh`
docker=$(command -v docker 2>/dev/null) || for docker in /usr/local/bin/docker /var/packages/ContainerManager/target/usr/bin/docker /var/packages/Docker/target/usr/bin/docker /share/*/.qpkg/container-station/bin/docker /share/*/.qpkg/container-station/usr/bin/docker ''; do [ ! -x "$docker" ] || break; done
if [ -n "$docker" ]; then
  say tool.docker "$docker"; say engine.docker "$docker"
  in_10() { if timeout 10 true 2>/dev/null; then timeout 10 "$@"; elif timeout -t 10 true 2>/dev/null; then timeout -t 10 "$@"; else "$@"; fi; }
  ask() { in_10 "$@" version --format '{{.Server.Version}}' 2>&1 </dev/null; }
  root=; answered=true
  if answer=$(ask "$docker"); then say engine.version "$answer"
  elif [ "$uid" != 0 ] && answer_of_root=$(ask sudo -n "$docker"); then root='sudo -n'; say engine.sudo true; say engine.version "$answer_of_root"
  else answered=; say engine.problem "$(printf '%s\n' "$answer" | grep -v '^$' | tail -n 1)"; fi
  # An engine that is silent once is asked nothing more: it may hang.
  if [ -n "$answered" ]; then
    if answer=$(in_10 $root "$docker" compose version --short 2>/dev/null </dev/null) && [ -n "$answer" ]; then say engine.compose plugin; say engine.compose.version "$answer"
    else
      for compose in "$(command -v docker-compose 2>/dev/null)" "$(dirname "$docker")/docker-compose" /usr/local/bin/docker-compose; do
        [ -x "$compose" ] && answer=$(in_10 "$compose" version --short 2>/dev/null </dev/null) || continue
        say engine.compose "$compose"; say engine.compose.version "$answer"; break
      done
    fi
    in_10 $root "$docker" ps --format '{{.Names}} {{.Image}}' 2>/dev/null </dev/null | grep -Ei '(^|[ /:_-])(watchtower|diun|ouroboros|doco-cd|shepherd)' | while read -r name _; do say "updater.$name" container; done
  fi
fi
systemctl list-unit-files --no-legend --state=enabled,enabled-runtime,linked comin.service nixos-upgrade.timer watchtower.service podman-auto-update.timer 2>/dev/null |
  while read -r unit _; do say "updater.$unit" unit; done || :
`

export function parseEngine(said: ReadonlyMap<string, string>): Engine {
  const get = (key: string) => said.get(`engine.${key}`) ?? ''
  const version = (key: string) => /\d+(\.\d+)+/.exec(get(key))?.[0] ?? ''
  return {
    docker: get('docker'),
    sudo: get('sudo') === 'true',
    version: version('version'),
    problem: get('problem'),
    compose: { by: get('compose'), version: version('compose.version') },
    updaters: [...said.keys()].flatMap((key) => (key.startsWith('updater.') ? [key.slice('updater.'.length)] : [])),
  }
}

/** Shell: `hd_docker` and `hd_compose_tool`, as this user has to call them. */
export function engineFunctions({ docker, sudo, compose }: Engine): string {
  const root = sudo ? 'sudo -n ' : ''
  const tool = compose.by === 'plugin' ? `${quote(docker)} compose` : quote(compose.by || 'docker-compose')
  return `hd_docker() { ${root}${quote(docker || 'docker')} "$@"; }\nhd_compose_tool() { ${root}${tool} "$@"; }\n`
}
