import { type Engine, engineFunctions } from '../remote/engine.ts'
import type { Host } from '../remote/host.ts'
import type { Network } from '../remote/network.ts'
import { assign, heredoc, quote, sh } from '../shell.ts'
import type { Check, Sample } from './check.ts'
import { judge } from './judge.ts'
import { stackRows } from './swarm.ts'

/** What the checks on a host need to know of it. */
export interface Site {
  /** The way that checks from the runner go. */
  readonly network: Network
  /** The live tree, where commands run. */
  readonly path: string
  /** `--user` for a user's own units, or empty. */
  readonly systemctl: string
  /** Shell that prints the host's time (seconds) of the beginning of the change; logs of units count from there. Empty: from their last start. */
  readonly since: string
  readonly engine: Engine
  /** The state directory, where the running release tells its Compose project. */
  readonly state: string
}

/** One script looks at everything on the host, so that a look costs one round trip. It prints framed, encoded fields. */
const functions = sh`
enc() { base64 | tr -d '\n'; }
report() { printf '%s' "$1" >&3; shift; for field; do printf ' %s' "$(printf %s "$field" | enc)" >&3; done; echo >&3; }
# The oldest BusyBox wants its number behind -t.
within_5() { if timeout 1 true 2>/dev/null; then timeout 5 "$@"; elif timeout -t 1 true 2>/dev/null; then timeout -t 5 "$@"; else "$@"; fi; }
http() { # NUMBER URL
  body=$(mktemp) || return 0
  if command -v curl >/dev/null 2>&1; then
    out=$(curl -gsS -o "$body" -w '%{http_code} %{time_total}' --max-time 5 -- "$2" 2>&1) || :
  elif command -v wget >/dev/null 2>&1; then
    # Not every wget has a time limit. As with curl the first answer counts: a redirect is one.
    said=$(within_5 wget -S -O "$body" -- "$2" 2>&1); code=$?
    out=$(printf '%s\n' "$said" | sed -n 's|.*HTTP/[0-9.]* \([0-9][0-9]*\).*|\1|p' | head -n 1)
    case $code in 124 | 143) out="000 no answer in 5 s" ;; esac
    [ -n "$out" ] || out="000 $(printf %s "$said" | tail -n 1)"
  else out="000 neither curl nor wget is on the host"; fi
  report "$1" "$out" "$(head -c 65536 "$body" | tr -d '\0')"
  rm -f "$body"
}
tcp() { # NUMBER HOST PORT
  # Not every nc can only knock; that of BusyBox can run something in the place of talking.
  case $(nc -h 2>&1 </dev/null) in
    *-z*) set -- "$1" nc -z -w 5 "$2" "$3" ;;
    *'-e PROG'*) set -- "$1" nc -w 5 "$2" "$3" -e true ;;
    *) if command -v bash >/dev/null 2>&1; then set -- "$1" within_5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$2" "$3"
      else report "$1" 'neither a usable nc nor bash is on the host'; return; fi ;;
  esac
  number=$1; shift
  if "$@" </dev/null >/dev/null 2>&1; then report "$number" open; else report "$number" closed; fi
}
journal() { # A user without the right to read the journal may still have sudo.
  if [ "$(id -u)" = 0 ] || [ -n "$systemctl" ] || ! sudo -n journalctl --version >/dev/null 2>&1; then journalctl $systemctl --no-pager "$@"; else sudo -n journalctl --no-pager "$@"; fi
}
unit() { report "$1" "$(systemctl $systemctl show -p LoadState,ActiveState,SubState,Result,Type,RemainAfterExit,NRestarts,InvocationID,ExecMainStatus,NeedDaemonReload -- "$2" 2>&1)"; }
# The containers of a Compose service, or the one of that name; with * those of all services that the release knows.
ids() {
  if [ "$1" = '*' ]; then
    [ -z "$stack" ] || { hd_docker ps -aq --no-trunc --filter "label=com.docker.stack.namespace=$stack"; return; }
    [ -n "$project" ] || return 0
    hd_docker ps -a --no-trunc --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.oneoff=False --format '{{.ID}} {{.Label "com.docker.compose.service"}}' |
      while read -r id service; do [ ! -s "$services" ] || grep -q "^$service|" "$services" || continue; echo "$id"; done
    return
  fi
  [ -z "$stack" ] || { hd_docker ps -aq --no-trunc --filter "label=com.docker.swarm.service.name=\${stack}_$1"; return; }
  set -- "$1" $(hd_docker ps -aq --no-trunc \${project:+--filter "label=com.docker.compose.project=$project"} --filter label=com.docker.compose.oneoff=False --filter "label=com.docker.compose.service=$1")
  if [ $# -gt 1 ]; then shift; printf '%s\n' "$@"; else hd_docker ps -aq --no-trunc --filter "name=^/$1\$"; fi
}
container() { # NUMBER SERVICE
  if [ -n "$stack" ]; then report "$1" "$(stack_rows "$2" 2>&1)"; return; fi
  all=$(ids "$2" 2>&1 | sort -u) || :
  report "$1" "$(for id in $all; do hd_docker inspect -f '{{.State.Status}}|{{if .State.Health}}{{.State.Health.Status}}{{end}}|{{.RestartCount}}|{{.State.StartedAt}}|{{.State.ExitCode}}|{{.HostConfig.RestartPolicy.Name}}|{{.Name}}' "$id" 2>&1; done)"
}
logs() { # NUMBER NAME
  if [ -n "$(systemctl $systemctl show -p FragmentPath --value -- "$2" 2>/dev/null)" ]; then
    if [ -n "$since" ]; then text=$(journal --since "@$since" -u "$2" -o cat 2>&1 | tail -n 2000)
    else text=$(journal "_SYSTEMD_INVOCATION_ID=$(systemctl $systemctl show -p InvocationID --value -- "$2")" -o cat 2>&1 | tail -n 2000); fi
  else text=$(for id in $(ids "$2" 2>/dev/null | sort -u); do set -- "$1" "$2" $(hd_docker inspect -f '{{.State.Running}} {{.State.FinishedAt}} {{.State.StartedAt}}' "$id"); hd_docker logs $(said_since "$3" "$4" "$5") --tail 2000 "$id" 2>&1; done); fi
  report "$1" "$(printf %s "$text" | tail -c 200000)"
}
# A program may have said its first line before the moment that the engine calls its start; so what it says now counts from
# the end of the time before, and in its first time from the beginning.
said_since() { case $1/$2 in true/0001-*) ;; true/*) echo "--since $2" ;; *) echo "--since $3" ;; esac; }
`

/**
 * The Compose project of this application: as its release says, or else as the containers say that were started from
 * this folder. Another application may well have a service of the same name.
 */
const application = sh`
release=$state/releases/$(cat "$state/work/id" 2>/dev/null || cat "$state/current" 2>/dev/null || :)
services=$release/compose/services
stack=$(cat "$release/compose/stack" 2>/dev/null || :)
project=$(cat "$release/compose/project" 2>/dev/null || :)
if [ -z "$project" ]; then
  id=$(hd_docker ps -aq --filter "label=com.docker.compose.project.working_dir=$path" 2>/dev/null | head -n 1)
  [ -z "$id" ] || project=$(hd_docker inspect -f '{{index .Config.Labels "com.docker.compose.project"}}' "$id")
fi
`

/** Not every login says where the manager of the user's own units listens. */
const own = sh`XDG_RUNTIME_DIR=\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}; export XDG_RUNTIME_DIR
`

function setUp(site: Site, checks: readonly Check[], fallback: string): string {
  const containers = checks.some(({ kind }) => kind === 'container' || kind === 'log')
  const values =
    assign({ path: site.path, systemctl: site.systemctl, state: site.state }) + (site.systemctl === '' ? '' : own)
  return `${values}${site.since === '' ? 'since=' : `since=$(${site.since} 2>/dev/null || ${fallback})`}\n${containers ? engineFunctions(site.engine) + application + stackRows : ''}\n${functions}`
}

/** Looks once at every check that is asked on the host. */
export async function sampleOnHost(host: Host, site: Site, checks: readonly Check[]): Promise<Map<Check, Sample>> {
  const calls = checks.map((check, index) => call(check, index)).join('\n')
  const script = `${setUp(site, checks, 'date +%s')}\nset +e\n${calls}`
  const began = performance.now()
  const { text } = await host.run(script, {
    label: 'Checking health',
    quiet: true,
    timeoutMs: 60_000,
    evenIfCancelled: true,
  })
  const took = Math.round(performance.now() - began)
  const lines = text.split('\n').filter(Boolean)
  const answers = new Map(lines.map((line) => [Number(line.split(' ')[0]), line.split(' ').slice(1).map(decode)]))
  return new Map(checks.map((check, index) => [check, judge(check, answers.get(index) ?? [], took)]))
}

function call(check: Check, index: number): string {
  switch (check.kind) {
    case 'http':
      return `http ${index} ${quote(check.url)}`
    case 'tcp':
      return `tcp ${index} ${quote(check.host)} ${check.port}`
    case 'unit':
      return `unit ${index} ${quote(check.unit)}`
    case 'container':
      return `container ${index} ${quote(check.service)}`
    case 'log':
      return `logs ${index} ${quote(check.of)}`
    case 'command':
      // By stdin, as every text of the user's: an argument could be read by others on the host.
      return `out=$(cd -- "$path" && ${heredoc('/bin/sh 2>&1 3>&-', check.command).trimEnd()}\n); code=$?\nreport ${index} "$code" "$out"`
  }
}

function decode(field: string): string {
  return Buffer.from(field, 'base64').toString('utf8')
}

/** Shell that prints the logs of everything the checks are about, from the beginning of the change on. */
export function evidence(checks: readonly Check[], site: Site): string {
  const names = new Map<string, string>()
  for (const check of checks) {
    if (check.kind === 'unit') names.set(check.unit, 'unit')
    else if (check.kind === 'container') names.set(check.service, 'container')
    else if (check.kind === 'log') names.set(check.of, /\.\w+$/.test(check.of) ? 'unit' : 'either')
  }
  if (names.size === 0) return ''
  const calls = [...names].map(([name]) => `show ${quote(name)}`).join('\n')
  return `exec 3>/dev/null\n${setUp(site, checks, 'echo 0')}${sh`
show() {
  echo "== $1"
  if [ "$1" != '*' ] && [ -n "$(systemctl $systemctl show -p FragmentPath --value -- "$1" 2>/dev/null)" ]; then journal --since "@$since" -u "$1" -o short-iso 2>&1 | tail -n 100; systemctl $systemctl status --no-pager -n 0 -- "$1" 2>&1 | head -n 8
  else for id in $(ids "$1" 2>/dev/null | sort -u); do [ "$1" != '*' ] || hd_docker inspect -f '-- {{.Name}} {{.State.Status}} {{.State.ExitCode}}' "$id"; hd_docker logs --since "$since" --tail 100 --timestamps "$id" 2>&1; hd_docker inspect -f '{{if .State.Health}}{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}{{end}}' "$id" 2>&1 | tail -n 5; done; fi
}
`}${calls}`
}
