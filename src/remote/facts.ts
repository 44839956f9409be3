import { DeployError } from '../errors.ts'
import { assign } from '../shell.ts'
import { type Engine, engineScript, parseEngine } from './engine.ts'
import type { Host } from './host.ts'

/** What one script learns about a host, in one round trip and without changing anything. */
export interface Facts {
  readonly os: {
    readonly id: string
    /** The ids of what it was made from, with spaces. */
    readonly like: string
    readonly version: string
    readonly name: string
    readonly kernel: string
  }
  readonly arch: string
  readonly init: 'systemd' | 'openrc' | 'busybox' | 'other'
  /** Appliances whose tools lie in unusual places. */
  readonly appliance: 'synology' | 'qnap' | ''
  readonly user: { readonly name: string; readonly uid: number; readonly home: string }
  /** root itself, sudo for everything, sudo for some commands, or none of these without a password. */
  readonly sudo: 'root' | 'any' | 'some' | 'none'
  /** Absolute paths of what was found; a missing key is a missing tool. */
  readonly tools: Readonly<Record<string, { readonly path: string; readonly version: string }>>
  readonly engine: Engine
  /** Whether these are BusyBox applets, which know fewer options. */
  readonly busybox: boolean
  /** Seconds by which the host's clock is ahead of the runner's. */
  readonly clockSkew: number
  /** The state directory of this application, for this user; whether it knows of a release that runs. */
  readonly state: string
  readonly deployed: boolean
  readonly path: PathFacts
}

export interface PathFacts {
  /** Absolute: `~` is expanded. */
  readonly absolute: string
  readonly kind: 'directory' | 'missing' | 'other'
  readonly writable: boolean
  readonly owner: string
  /** The nearest folder that exists: the path itself or one above it. */
  readonly existing: string
  readonly git: boolean
  readonly freeKiB: number
  readonly freeInodes: number
  readonly stateFreeKiB: number
}

const searched =
  'awk cp curl find git gzip install nix nixos-rebuild pg_dump rm rsync setsid sha256sum sort sqlite3 stat sudo systemctl systemd-run tar uv wget xargs'

const script = `
say() { printf '%s=%s\\n' "$1" "$2" >&3; }
(
  for f in /etc/os-release /usr/lib/os-release; do [ ! -r "$f" ] || { . "$f"; break; }; done 2>/dev/null
  say os.id "\${ID-}"; say os.like "\${ID_LIKE-}"; say os.version "\${VERSION_ID-}"; say os.name "\${PRETTY_NAME-}"
) || :
set -- $(uname -srm); say os.kernel "$1 $2"; say arch "$3"; say clock "$(date +%s)"
if [ -d /run/systemd/system ]; then say init systemd
elif [ -d /run/openrc ]; then say init openrc
elif [ "$(readlink /sbin/init 2>/dev/null)" = /bin/busybox ]; then say init busybox
else say init other; fi
if [ -e /etc.defaults/VERSION ]; then say appliance synology
elif [ -e /etc/config/uLinux.conf ]; then say appliance qnap; fi
uid=$(id -u); user=$(id -un); say user.name "$user"; say user.uid "$uid"; say user.home "$HOME"
for d in "$HOME/.local/bin" /root/.local/bin "$HOME/.cargo/bin" "$HOME/.nix-profile/bin" "$HOME/.local/state/nix/profile/bin" "/etc/profiles/per-user/$user/bin" /share/*/.qpkg/container-station/bin; do
  [ -d "$d" ] && [ -x "$d" ] && PATH=$PATH:$d
done
for t in $tools; do ! command -v "$t" >/dev/null 2>&1 || { printf 'tool.%s=' "$t"; command -v "$t"; } >&3; done
# What is slow here waits for other programs, so it need not wait for each other. Only whole lines are said from here on.
if [ "$uid" = 0 ]; then say sudo root
elif ! command -v sudo >/dev/null 2>&1; then say sudo none
else
  (
    sudo -n -l >/dev/null 2>&1 & listed=$!
    if sudo -n /bin/sh -c : 2>/dev/null; then say sudo any
    elif wait "$listed"; then say sudo some
    else say sudo none; fi
  ) </dev/null &
fi
(
${engineScript}
) &
# Elsewhere the login shell knows it; its start files may be slow or talk, so it is asked for nothing else.
if ! command -v uv >/dev/null 2>&1; then
  said=$("\${SHELL:-/bin/sh}" -lc 'command -v uv' 2>/dev/null </dev/null | tail -n 1) || said=
  case $said in /*) [ ! -x "$said" ] || { say tool.uv "$said"; PATH=$PATH:$(dirname "$said"); } ;; esac
fi
for t in $versions; do command -v "$t" >/dev/null 2>&1 || continue; say "version.$t" "$("$t" --version 2>&1 </dev/null | head -n 1)"; done
case $(tar --help 2>&1) in *BusyBox*) say busybox true ;; esac
case $path in '~/'*) path=$HOME/\${path#??} ;; esac
say path "$path"
if [ -d "$path" ]; then say kind directory
elif [ -e "$path" ] || [ -L "$path" ]; then say kind other
else say kind missing; fi
up=$path; while [ ! -d "$up" ]; do up=$(dirname "$up"); done
say existing "$up"; say owner "$(stat -c %U:%G "$up" 2>/dev/null || true)"
if [ -w "$up" ] && [ -x "$up" ]; then say writable true; fi
if [ -e "$path/.git" ]; then say git true; fi
if [ "$uid" = 0 ]; then state=/var/lib; else state=\${XDG_STATE_HOME:-$HOME/.local/state}; fi
say state "$state/homelab-deploy/$name"
if [ -s "$state/homelab-deploy/$name/current" ]; then say deployed true; fi
there=$state; while [ ! -d "$there" ]; do there=$(dirname "$there"); done
df -P -k "$up" "$there" 2>/dev/null | awk 'NR==2 {print "freeKiB=" $4} NR==3 {print "stateFreeKiB=" $4}' >&3
df -P -i "$up" 2>/dev/null | awk 'NR==2 {print "freeInodes=" $4}' >&3
wait
`

/** Asks everything at once. `versions` names the tools whose version matters: asking each costs the host a process. */
export async function probe(
  host: Host,
  ask: { path: string; name: string; versions: readonly string[] },
): Promise<Facts> {
  const began = Date.now()
  const { code, text, tail } = await host.run(
    assign({ path: ask.path, name: ask.name, tools: searched, versions: ask.versions.join(' ') }) + script,
    { label: 'Reading facts', timeoutMs: 60_000, quiet: true },
  )
  if (code !== 0) {
    throw new DeployError('HD-SSH-07', `The shell of ${host.name} cannot run a simple script.`, {
      why: `It ended with exit code ${code}.`,
      fix: 'The host needs a POSIX /bin/sh with the usual small tools (BusyBox will do).',
      detail: tail,
    })
  }
  return parseFacts(text, (began + Date.now()) / 2_000)
}

export function parseFacts(text: string, nowSeconds: number): Facts {
  const said = new Map<string, string>()
  for (const line of text.split('\n')) {
    const at = line.indexOf('=')
    if (at > 0) said.set(line.slice(0, at), line.slice(at + 1))
  }
  const get = (key: string) => said.get(key) ?? ''
  const number = (key: string) => (/^\d+$/.test(get(key)) ? Number(get(key)) : Number.POSITIVE_INFINITY)
  const tools: Record<string, { path: string; version: string }> = {}
  for (const [key, path] of said) {
    const tool = key.replace(/^tool\./, '')
    if (tool !== key) tools[tool] = { path, version: /\d+(\.\d+)+/.exec(get(`version.${tool}`))?.[0] ?? '' }
  }
  return {
    os: {
      id: get('os.id'),
      like: get('os.like'),
      version: get('os.version'),
      name: get('os.name'),
      kernel: get('os.kernel'),
    },
    arch: get('arch'),
    init: get('init') as Facts['init'],
    appliance: get('appliance') as Facts['appliance'],
    user: { name: get('user.name'), uid: number('user.uid'), home: get('user.home') },
    sudo: get('sudo') as Facts['sudo'],
    tools,
    engine: parseEngine(said),
    busybox: get('busybox') === 'true',
    clockSkew: Math.round(number('clock') - nowSeconds),
    state: get('state'),
    deployed: get('deployed') === 'true',
    path: {
      absolute: get('path'),
      kind: get('kind') as PathFacts['kind'],
      writable: get('writable') === 'true',
      owner: get('owner'),
      existing: get('existing'),
      git: get('git') === 'true',
      freeKiB: number('freeKiB'),
      freeInodes: number('freeInodes'),
      stateFreeKiB: number('stateFreeKiB'),
    },
  }
}

/** For people: `Debian GNU/Linux 13 (trixie), x86_64, systemd`. */
export function describeSystem(facts: Facts): string {
  const appliance = { synology: 'Synology DSM', qnap: 'QNAP QTS', '': '' }[facts.appliance]
  return [appliance || facts.os.name || facts.os.kernel, facts.arch, facts.init === 'other' ? '' : facts.init]
    .filter(Boolean)
    .join(', ')
}
