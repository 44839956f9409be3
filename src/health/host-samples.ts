import type { Host } from '../remote/host.ts'
import { assign, heredoc, quote, sh } from '../shell.ts'
import type { Check, Sample } from './check.ts'

/** What the checks on a host need to know of it. */
export interface Site {
  /** The live tree, where commands run. */
  readonly path: string
  /** `--user` for a user's own units, or empty. */
  readonly systemctl: string
  /** Shell that prints the host's time (seconds) of the beginning of the change; logs count from there. */
  readonly since: string
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
ids() { $docker ps -aq --no-trunc --filter "label=com.docker.compose.service=$1"; $docker ps -aq --no-trunc --filter "name=^/$1\$"; }
container() { # NUMBER SERVICE
  all=$(ids "$2" 2>&1 | sort -u) || :
  report "$1" "$(for id in $all; do $docker inspect -f '{{.State.Status}}|{{if .State.Health}}{{.State.Health.Status}}{{end}}|{{.RestartCount}}|{{.State.StartedAt}}|{{.State.ExitCode}}|{{.HostConfig.RestartPolicy.Name}}' "$id" 2>&1; done)"
}
logs() { # NUMBER NAME
  if [ -n "$(systemctl $systemctl show -p FragmentPath --value -- "$2" 2>/dev/null)" ]; then text=$(journal --since "@$since" -u "$2" -o cat 2>&1 | tail -n 2000)
  else text=$(for id in $(ids "$2" 2>/dev/null | sort -u); do $docker logs --since "$since" --tail 2000 "$id" 2>&1; done); fi
  report "$1" "$(printf %s "$text" | tail -c 200000)"
}
`

/** Who may talk to the engine: the user, or root by sudo. Asked only where containers are looked at. */
const engine = sh`docker=docker; docker version >/dev/null 2>&1 || ! sudo -n docker version >/dev/null 2>&1 || docker="sudo -n docker"`

function setUp(site: Site, checks: readonly Check[], fallback: string): string {
  const containers = checks.some(({ kind }) => kind === 'container' || kind === 'log')
  const values = assign({ path: site.path, systemctl: site.systemctl })
  return `${values}since=$(${site.since} 2>/dev/null || ${fallback})\n${containers ? engine : ''}\n${functions}`
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

/** What the fields that a check printed mean. */
function judge(check: Check, fields: readonly string[], took: number): Sample {
  const [first = '', second = ''] = fields
  const plain = { latencyMs: took, incarnation: '' }
  switch (check.kind) {
    case 'http':
      return { incarnation: '', ...judgeHttp(check, first, second, took) }
    case 'tcp':
      return { ...plain, healthy: first === 'open', seen: first || 'no answer' }
    case 'unit':
      return { latencyMs: took, ...judgeUnit(first) }
    case 'container':
      return { latencyMs: took, ...judgeContainers(first) }
    case 'log': {
      const line = first.split('\n').find((each) => check.expected.test(each))
      return {
        ...plain,
        healthy: line !== undefined,
        seen: line === undefined ? 'no such line yet' : line.slice(0, 200),
      }
    }
    case 'command':
      return { ...plain, ...judgeCommand(check, Number(first || 255), second) }
  }
}

function judgeHttp(
  check: Extract<Check, { kind: 'http' }>,
  out: string,
  body: string,
  took: number,
): Omit<Sample, 'incarnation'> {
  const status = Number(/(?:^|\n)(\d{3})(?: |$)/.exec(out)?.[1] ?? 0)
  const seconds = Number(/ ([\d.]+)$/.exec(out)?.[1] ?? Number.NaN)
  return httpSample(
    check,
    status,
    body,
    Number.isNaN(seconds) ? took : Math.round(seconds * 1_000),
    (out.split('\n')[0] ?? '').replace(/^000 /, ''),
  )
}

export function httpSample(
  check: Extract<Check, { kind: 'http' }>,
  status: number,
  body: string,
  latencyMs: number,
  error: string,
): Omit<Sample, 'incarnation'> {
  if (status === 0) return { healthy: false, seen: error.trim() || 'no answer', latencyMs }
  if (status !== check.status) return { healthy: false, seen: `${status} in ${latencyMs} ms`, latencyMs }
  const fits = check.body === undefined || check.body.test(body)
  return { healthy: fits, seen: `${status} in ${latencyMs} ms${fits ? '' : ', and the body does not fit'}`, latencyMs }
}

/** Active is not enough: in a crash loop a unit is active in most looks, so what counts is that it is the same run. */
export function judgeUnit(text: string): Omit<Sample, 'latencyMs'> {
  const get = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? ''
  const state = `${get('ActiveState')} (${get('SubState')})`
  const incarnation = `${get('InvocationID')}/${get('NRestarts')}`
  if (get('LoadState') !== 'loaded')
    return {
      healthy: false,
      seen: get('LoadState') === 'not-found' ? 'no such unit' : text.trim().slice(0, 200) || 'systemctl gave no answer',
      incarnation,
    }
  const restarts = Number(get('NRestarts')) > 0 ? `, restarted ${get('NRestarts')} times` : ''
  const oneshot =
    get('Type') === 'oneshot' &&
    get('ActiveState') === 'inactive' &&
    get('Result') === 'success' &&
    get('InvocationID') !== ''
  const healthy =
    oneshot ||
    (get('ActiveState') === 'active' &&
      ['running', 'exited', 'listening', 'waiting', 'mounted', 'plugged', 'active'].includes(get('SubState')))
  const result = healthy || get('Result') === 'success' ? '' : `, ${get('Result')} ${get('ExecMainStatus')}`
  return { healthy, seen: `${state}${restarts}${result}`, incarnation, final: get('ActiveState') === 'failed' }
}

/** Every replica: running, and healthy where it can tell; one that has done its one job is done. */
export function judgeContainers(text: string): Omit<Sample, 'latencyMs'> {
  const rows = text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('|'))
  if (rows.length === 0) return { healthy: false, seen: 'no such container', incarnation: '' }
  const states = rows.map(([status = '', health = '', restarts = '0', , code = '', policy = '']) => {
    const done = status === 'exited' && code === '0' && (policy === 'no' || policy === '')
    const healthy = done || (status === 'running' && (health === '' || health === 'healthy'))
    const seen = [
      done ? 'done (exit 0)' : status,
      health,
      Number(restarts) > 0 && `restarted ${restarts} times`,
      status === 'exited' && !done && `exit ${code}`,
    ]
      .filter(Boolean)
      .join(', ')
    return { healthy, seen, final: status === 'dead' || (status === 'exited' && !done && policy === 'no') }
  })
  return {
    healthy: states.every(({ healthy }) => healthy),
    seen: [...new Set(states.map(({ seen }) => seen))].join('; '),
    incarnation: rows.map(([, , restarts, started]) => `${started}/${restarts}`).join(' '),
    final: states.some(({ final }) => final),
  }
}

export function judgeCommand(
  { expected }: Extract<Check, { kind: 'command' }>,
  code: number,
  output: string,
): { healthy: boolean; seen: string } {
  const said = output.trim()
  const last = said.split('\n').at(-1)?.slice(0, 200) ?? ''
  if (code !== 0) return { healthy: false, seen: `exit code ${code}${last && `: ${last}`}` }
  const fits = expected === undefined || (typeof expected === 'string' ? said === expected : expected.test(said))
  return { healthy: fits, seen: fits ? last || 'exit code 0' : `${last || 'nothing'}, not ${String(expected)}` }
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
  if [ -n "$(systemctl $systemctl show -p FragmentPath --value -- "$1" 2>/dev/null)" ]; then journal --since "@$since" -u "$1" -o short-iso 2>&1 | tail -n 100; systemctl $systemctl status --no-pager -n 0 -- "$1" 2>&1 | head -n 8
  else for id in $(ids "$1" 2>/dev/null | sort -u); do $docker logs --since "$since" --tail 100 --timestamps "$id" 2>&1; $docker inspect -f '{{if .State.Health}}{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}{{end}}' "$id" 2>&1 | tail -n 5; done; fi
}
`}${calls}`
}
