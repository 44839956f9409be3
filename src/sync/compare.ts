import { DeployError } from '../errors.ts'
import type { Host } from '../remote/host.ts'
import { assign, heredoc, quote, sh } from '../shell.ts'
import type { Entry } from './manifest.ts'
import { type Filters, type Places, protectedBy, treeScript } from './script.ts'

/** What a switch to the wanted tree would change at `path`, and what the host still lacks for it. */
export interface Difference {
  /** Line numbers (from 1) of the wanted manifest that have to be sent. */
  readonly need: readonly number[]
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  readonly counts: {
    readonly added: number
    readonly changed: number
    readonly removed: number
    readonly folders: number
  }
  /** Files at `path` that are not as the running release left them; before the first deploy, those that no clone can give back. */
  readonly drifted: readonly string[]
}

/** The lists above are for people; the counts are exact. */
const shown = 100

/** Shell: all lists of the switch to what \`hd_wanted\` says, in $work. */
const compare = sh`
mkdir -p "$work" "$release"
cd "$work"
rm -rf ./*
hd_wanted
: >live; : >owners; : >old; : >held
[ -z "$prev" ] || [ ! -f "$prev/manifest" ] || cp "$prev/manifest" old
if [ -d "$path" ]; then hd_owners=$work/owners; hd_scan "$path" >live; hd_owners=; (cd -- "$path" && hd_held) | sed 's/^..//' >held; fi
hd_keep
hd_compare
hd_foreign >foreign
hd_strange >strange
`

const tell = sh`
awk -v limit="$limit_shown" -v drift="\${prev:+1}" '
  function list(mark, name) { if (++count[name] <= limit) print mark $0 }
  FILENAME == "save" { saved[$0]; next }
  FILENAME == "old" { old[$0]; next }
  FILENAME == "strange" { sub(/^./, ""); list("! ", "drifted"); next }
  FILENAME == "live" { if (drift && !/^[dD]/ && !($0 in old)) { sub(/^[^ ]* [^ ]* [^ ]* /, ""); list("! ", "drifted") } next }
  FILENAME == "added" { list("+", "added"); next }
  FILENAME == "put" { if ($0 in saved) list("~", "changed"); next }
  FILENAME == "del" { list("-", "removed"); next }
  FILENAME == "foreign" { if (FNR <= 5) print "?" $0; next }
  FILENAME == "need" { print "n " $0; next }
  { count["folders"]++ }
  END { for (name in count) print "count." name, count[name] }' save old strange live added put del foreign need dirs dirs.gone >&3
`

/** Where the wanted manifest comes from, and what is to be done with the tree of the release once it is compared. */
export interface Wanted {
  /** Shell: `hd_wanted` writes `new` and `protected`. */
  readonly manifest: string
  readonly whenAllowed: string
}

/** Lets the host compare the wanted tree with what is at `path`; `first` is shell that saves a round trip by coming along. Changes nothing at `path`. */
export async function compareTrees(...asked: Parameters<typeof lookAtTrees>): Promise<Difference> {
  const { difference, obstacles } = await lookAtTrees(...asked)
  for (const obstacle of obstacles) throw obstacle
  return difference
}

/** The same for those who want to know all that is in the way of the switch. */
export async function lookAtTrees(
  host: Host,
  places: Places,
  filters: Filters & { deleteLimit: number },
  wanted: Wanted,
  first = '',
): Promise<{ readonly difference: Difference; readonly obstacles: readonly DeployError[] }> {
  const script = [
    first,
    treeScript(places, filters),
    assign({ limit_shown: shown }),
    wanted.manifest,
    compare,
    tell,
    // Nothing is prepared for a deploy that will be refused.
    sh`if [ "$(wc -l <del)" -le "$delete_limit" ] && [ ! -s foreign ]; then`,
    wanted.whenAllowed,
    ':; fi',
  ].join('\n')
  const { code, text, tail } = await host.run(assign({ delete_limit: filters.deleteLimit }) + script, {
    label: 'Comparing files',
    quiet: true,
  })
  if (code !== 0) throw transferFailed(host, 'The host could not compare the files.', tail)
  const difference = parse(text)
  return {
    difference,
    obstacles: [...manyRemoved(host, places, filters.deleteLimit, difference), ...foreign(host, places, text)],
  }
}

const keep = 'cp new "$release/manifest"; cp protected "$release/protected"\n'

/** As the runner knows it: the host fills the tree with everything it already has, and says what it needs. */
export function wantedFromRunner(entries: readonly Entry[], filters: Filters): Wanted {
  const guarded = protectedBy(filters)
  const lines = (some: readonly Entry[]) => some.map(({ line }) => `${line}\n`).join('')
  const all = heredoc('cat >new', lines(entries))
  const some = heredoc('cat >protected', lines(entries.filter(({ name }) => guarded.match(name))))
  return { manifest: `hd_wanted() {\n${all}${some}}\n`, whenAllowed: `hd_fill\n${keep}` }
}

/** As the tree of the release says that is complete on the host already: from a git commit. */
export const wantedFromTree: Wanted = {
  manifest: sh`hd_wanted() { (hd_scope=tree; hd_scan "$tree") >new; hd_scan "$tree" >plain; awk 'FILENAME == "plain" { plain[$0]; next } !($0 in plain)' plain new >protected; }`,
  whenAllowed: keep,
}

/** That of a release that was deployed before, and is not touched. */
export const wantedFromRelease: Wanted = {
  manifest: sh`hd_wanted() { cp "$release/manifest" new; cp "$release/protected" protected; }`,
  whenAllowed: '',
}

/** Shell, for somebody at the console: the lists of the switch to a release of before, or the reason why there is none. */
export const compareWithRelease = `${wantedFromRelease.manifest}${compare}${sh`
if [ -s foreign ]; then printf 'Files at %s belong to another user:\n' "$path" >&2; head -n 5 foreign >&2; exit 1; fi
printf 'Files at %s: %s to write, %s to remove.\n' "$path" "$(wc -l <put | tr -d ' ')" "$(wc -l <del | tr -d ' ')"
if [ "$(wc -l <del)" -gt "\${DELETE_LIMIT:-$delete_limit}" ]; then
  echo "These are more than delete-limit lets go. The first are:" >&2; head -n 8 del >&2
  echo "To do it nevertheless, set DELETE_LIMIT=$(wc -l <del | tr -d ' ') for this command." >&2; exit 1
fi
`}`

function parse(text: string): Difference {
  const lines = text.split('\n')
  const names = (mark: string) => lines.filter((line) => line.startsWith(mark)).map((line) => line.slice(2))
  const count = (name: string) => Number(lines.find((line) => line.startsWith(`count.${name} `))?.split(' ')[1] ?? 0)
  return {
    need: names('n ').map(Number),
    added: names('+').toSorted(),
    changed: names('~').toSorted(),
    removed: names('-').toSorted(),
    counts: { added: count('added'), changed: count('changed'), removed: count('removed'), folders: count('folders') },
    drifted: names('! '),
  }
}

function manyRemoved(host: Host, { path }: Places, limit: number, { counts, removed }: Difference): DeployError[] {
  if (counts.removed <= limit) return []
  return [
    new DeployError(
      'HD-SYNC-01',
      `The sync would delete ${counts.removed} files at ${path}, and \`delete-limit\` is ${limit}.`,
      {
        why: `They are on ${host.name} and not in \`source\`: ${removed.slice(0, 8).join(', ')}${counts.removed > 8 ? ', …' : ''}.`,
        fix: `Name what must stay in \`protect\`, check \`path\`, or allow it once with \`delete-limit: ${counts.removed}\`. Nothing was changed.`,
        detail: removed.join('\n'),
      },
    ),
  ]
}

function foreign(host: Host, { path }: Places, text: string): DeployError[] {
  const names = text
    .split('\n')
    .filter((line) => line.startsWith('?'))
    .map((line) => line.slice(2))
  if (names.length === 0) return []
  return [
    new DeployError('HD-SYNC-03', `Files at ${path} belong to another user.`, {
      why: `Replacing ${names.join(', ')} would change the owner, and only root may give files away.`,
      fix: `On the host run \`sudo chown -R ${host.name.split('@')[0]} ${quote(path)}\`, deploy as the owner, or let sudo work without a password.`,
    }),
  ]
}

/** A transfer that was cancelled, or lost its connection, fails in as many ways as there are tools: this is the reason. */
export function refuseHalf(host: Host, signal: AbortSignal | undefined): void {
  signal?.throwIfAborted()
  host.ended.throwIfAborted()
}

/** Something on the host broke while files were on their way; its last words decide what to tell. */
export function transferFailed(host: Host, what: string, tail: string, cause?: unknown): DeployError {
  if (/no space left|disk quota|file system is full|not enough space/i.test(tail)) {
    return new DeployError('HD-DISK-01', `The disk of ${host.name} is full.`, {
      why: tail.split('\n').at(-1) ?? '',
      fix: 'Free some space (`df -h`), lower `keep`, or exclude what need not be sent. What runs was not touched.',
      detail: tail,
      cause,
    })
  }
  if (/permission denied|operation not permitted|read-only file system/i.test(tail)) {
    return new DeployError('HD-PATH-04', `${host.name} does not let us write.`, {
      why: tail.split('\n').find((line) => /denied|permitted|read-only/i.test(line)) ?? '',
      fix: 'Deploy as the user that owns the files, or allow sudo without a password.',
      detail: tail,
      cause,
    })
  }
  return new DeployError('HD-SYNC-05', what, {
    why: tail.split('\n').at(-1) ?? '',
    detail: tail,
    cause,
    fix: 'The last lines of its output are in the log and in the summary.',
  })
}
