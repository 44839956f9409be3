import { assign, heredoc, sh } from '../shell.ts'
import type { Host } from './host.ts'

/** What is kept of a release beside its tree: enough to go back to it without a checkout or inputs. */
export interface ReleaseRecord {
  readonly schema: 1
  readonly id: string
  readonly at: string
  readonly name: string
  readonly strategy: string
  readonly revision: string
  readonly ref: string
  readonly actor: string
  readonly run: string
  readonly path: string
  readonly exclude: readonly string[]
  readonly protect: readonly string[]
  /** Whether it has a tree: not with `sync: none`. */
  readonly synced: boolean
  readonly health: readonly string[]
  /** Lines of `backup`. */
  readonly backup: readonly string[]
  /** What its strategy was given: its own to understand. */
  readonly options: { readonly commands: readonly string[] }
  /** Of everything that went into it: two releases with the same one are the same. */
  readonly fingerprint: string
}

/** One line of the ledger: a run, whatever came of it. */
export interface LedgerLine {
  readonly at: string
  readonly result: string
  readonly mode: string
  readonly strategy: string
  readonly release: string
  readonly previous: string
  readonly revision: string
  readonly previousRevision: string
  readonly actor: string
  readonly run: string
  readonly code: string
  readonly durationMs: number
  /** How long `apply` took, where it came to its end. */
  readonly activateMs?: number
}

/** What the state directory of an application says. */
export interface HostState {
  /** The id of the release that runs; empty before the first deploy. */
  readonly current: string
  /** A deploy that began and was never settled: the id it was for. */
  readonly pending: string
  /** Releases that were confirmed, the newest first. */
  readonly releases: readonly ReleaseRecord[]
  /** What images the releases run: `RELEASE sha256:…`. */
  readonly digests?: readonly string[]
  /** Which generation of the system profile the releases are: `RELEASE 42`. */
  readonly generations?: readonly string[]
  /** The last runs that went well, the oldest first. */
  readonly past?: readonly LedgerLine[]
}

/** The record of what runs; undefined before the first deploy. */
export function runningRelease({ releases, current }: HostState): ReleaseRecord | undefined {
  return releases.find(({ id }) => id === current)
}

/** Shell: says on descriptor 3 what `parseState` reads. Wants `$state`. */
export const stateScript = sh`
printf 'current %s\n' "$(cat "$state/current" 2>/dev/null || :)" >&3
[ ! -e "$state/pending.json" ] || printf 'pending %s\n' "$(sed -n 's/.*"id":"\([^"]*\)".*/\1/p' "$state/pending.json")" >&3
for record in "$state"/releases/*/record.json; do [ ! -f "$record" ] || { printf 'release '; tr -d '\n' <"$record"; echo; } >&3; done
[ ! -f "$state/ledger.jsonl" ] || tail -n 100 "$state/ledger.jsonl" | grep -F '"result":"deployed"' | tail -n 10 | sed 's/^/past /' >&3
for images in "$state"/releases/*/compose/images; do [ ! -f "$images" ] || { id=\${images%/compose/images}; sed "s|.*[|]|digest \${id##*/} |" "$images" >&3; }; done
for number in "$state"/releases/*/nix/generation; do [ ! -f "$number" ] || { id=\${number%/nix/generation}; echo "generation \${id##*/} $(cat "$number")" >&3; }; done
`

/** Asks anew: after something was settled, the state is another. */
export async function readState(host: Host, state: string): Promise<HostState> {
  const { text } = await host.run(assign({ state }) + stateScript, { label: 'Reading the state', quiet: true })
  return parseState(text)
}

export function parseState(text: string): HostState {
  const values = (key: string) =>
    text.split('\n').flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1)] : []))
  return {
    current: values('current')[0] ?? '',
    pending: values('pending')[0] ?? '',
    digests: values('digest'),
    generations: values('generation'),
    past: values('past').flatMap(parseLine<LedgerLine>),
    releases: values('release')
      .flatMap(parseLine<ReleaseRecord>)
      .toSorted((a, b) => (a.at < b.at ? 1 : -1)),
  }
}

/** A record that was torn by a crash is no release to go back to, and no reason to stop. */
function parseLine<T>(json: string): T[] {
  try {
    return [JSON.parse(json) as T]
  } catch {
    return []
  }
}

/**
 * Shell: a file with this content appears whole or not at all, also after a power cut. What comes after it in time comes
 * after it on the disk: the folder is written out as well, for other file systems know nothing of the order of this one.
 */
export function writeAtomically(file: string, content: string, mode = '600'): string {
  return `${assign({ hd_file: file })}(umask 077; ${heredoc('cat >"$hd_file.new"', content).trimEnd()}\n)\n${mode === '600' ? '' : `chmod ${mode} "$hd_file.new"\n`}sync "$hd_file.new" 2>/dev/null || sync\nmv -f "$hd_file.new" "$hd_file"\nsync "\${hd_file%/*}" 2>/dev/null || sync\n`
}

/** Shell: all that was written below this folder, a word of shell, is on the disk. One call for its whole file system: a call for each file takes longer. */
export const flush = (folder: string) => `sync -f ${folder} 2>/dev/null || sync\n`

/** Shell: one more line at the end of the ledger, on a line of its own even when the last one was torn. */
export function appendToLedger(state: string, line: LedgerLine): string {
  return `${assign({ hd_ledger: `${state}/ledger.jsonl` })}(umask 077; [ -z "$(tail -c 1 "$hd_ledger" 2>/dev/null)" ] || echo >>"$hd_ledger"\n${heredoc('cat >>"$hd_ledger"', JSON.stringify(line)).trimEnd()}\n)\n`
}

/** Sorts by time, is safe as a file name, shows what it is, and is no other's: `20261121-070405-4f3c2a1`. */
export function releaseId(at: Date, revision: string, { current, releases }: HostState): string {
  const [day = '', time = ''] = at.toISOString().split('T')
  const id = [day.replaceAll('-', ''), time.slice(0, 8).replaceAll(':', ''), revision.slice(0, 7)]
    .filter(Boolean)
    .join('-')
  const taken = new Set([current, ...releases.map((release) => release.id)])
  let free = id
  for (let count = 2; taken.has(free); count++) free = `${id}-${count}`
  return free
}

/** Shell: a release that never came as far as its first change leaves nothing behind, no secret file either. */
export function abandon(state: string, id: string): string {
  return `${assign({ state, id })}${sh`[ -e "$state/pending.json" ] || { [ -f "$state/releases/$id/record.json" ] || rm -rf "$state/releases/$id"; rm -rf "$state/releases/$id/secrets"; rm -rf "$state/work"; }
`}`
}

/**
 * Shell: removes what retention does not keep. Of the confirmed releases the newest `keep` stay, and always the one
 * that runs and the one before it; what was never confirmed goes.
 */
export function prune(state: string, keep: number, stays: readonly string[]): string {
  return `${assign({ state, keep, stays: ` ${stays.join(' ')} ` })}${sh`
kept=0
for dir in $(ls -r "$state/releases"); do
  case $stays in *" $dir "*) kept=$((kept + 1)); continue ;; esac
  if [ -f "$state/releases/$dir/record.json" ] && [ "$kept" -lt "$keep" ]; then kept=$((kept + 1)); else rm -rf "$state/releases/$dir" || :; fi
done
`}`
}
