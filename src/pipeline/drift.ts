import { DeployError } from '../errors.ts'
import { openScratch } from '../remote/scratch.ts'
import { runningRelease } from '../remote/state.ts'
import type { StatusRecord } from '../report/report.ts'
import { sh } from '../shell.ts'
import { type Difference, lookAtTrees, wantedFromRelease } from '../sync/compare.ts'
import { aim } from './begin.ts'
import type { Context } from './context.ts'
import type { Aimed } from './fleet.ts'
import { oldRelease } from './goal.ts'
import { head } from './scripts.ts'
import type { Seen } from './standing.ts'

/** A host of which is known what it should run: the release that was confirmed last. */
export interface Running extends Seen, Aimed {}

export async function runningGoal(context: Context, member: Seen, open: AsyncDisposableStack): Promise<Running> {
  const { facts, state, host } = member
  if (runningRelease(state) === undefined) {
    throw new DeployError('HD-STATUS-03', `Nothing of this application was deployed on ${host.name} yet.`, {
      why: `${facts.user.name} looked into ${facts.state}.`,
      fix: 'Check `name` and the user in `host`: each user has a state directory of its own. Otherwise deploy first.',
    })
  }
  const scratch = open.use(await openScratch(member.link.host))
  const goal = oldRelease({ plan: { ...context.plan, to: state.current } })(member)
  const change = aim(context, member, goal)
  return { ...member, goal, change: { ...change, places: { ...change.places, work: `${scratch.path}/work` } } }
}

export interface Drifted extends Running {
  readonly drift: StatusRecord['drift']
  readonly running: readonly string[]
}

/**
 * Shell: names of variables, never values, in which an env file is not as it was deployed; of other files that they
 * differ. A value that spans lines is skipped, so that no piece of it is taken for a name.
 */
export const fileDrift = sh`
hd_variables() {
  awk '
    inside != "" { if (index($0, inside)) inside = ""; next }
    /^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=/ {
      name = $0; sub(/^[ \t]*(export[ \t]+)?/, "", name); sub(/[ \t]*=.*/, "", name)
      value = $0; sub(/^[^=]*=[ \t]*/, "", value); first = substr(value, 1, 1)
      if ((first == "\"" || first == "\047" || first == "\140") && !index(substr(value, 2), first)) inside = first
      if (FILENAME == ARGV[1]) { was[name] = value; if (inside != "") long[name] } else { is[name] = value; if (inside != "") long[name] }
    }
    END {
      for (name in was) if (!(name in is)) print "drift.env " name " is gone from " file; else if (was[name] != is[name]) print "drift.env " name " has another value in " file
      for (name in is) if (!(name in was)) print "drift.env " name " is new in " file
    }' "$1" "$2" file="$2" >"$work/variables"
  if [ -s "$work/variables" ]; then sort "$work/variables" >&3; else printf 'drift.env %s differs\n' "$2" >&3; fi
}
hd_file_drift() {
  if [ ! -e "$2" ]; then printf 'drift.env %s is gone\n' "$2" >&3
  elif [ ! -r "$2" ]; then printf 'drift.env %s cannot be read\n' "$2" >&3
  elif hd_file_same "$1" "$2"; then :
  elif [ -f "$release/files/$1.names" ]; then hd_variables "$release/files/$1" "$2"
  else printf 'drift.env %s differs\n' "$2" >&3; fi
}
mkdir -p "$work"
hd_each_file hd_file_drift
`

const says = (word: string, script: string) =>
  script === '' ? '' : `(\n:\n${script}\n) 3>&1 >&2 | sed 's/^/${word} /' >&3\n`

/** Files, variables, and what the strategy knows of; all at once, and without asking anybody else. */
export async function driftOf(member: Running, note: (text: string) => void): Promise<Drifted> {
  const { link, change, goal } = member
  const { places, strategy } = change
  const filters = { ...goal.filters, deleteLimit: Number.MAX_SAFE_INTEGER }
  const files = goal.tree
    ? filesDrift((await lookAtTrees(link.host, places, filters, wantedFromRelease)).difference)
    : []
  const script = `${head(change)}${fileDrift}${says('drift.strategy', strategy.drift)}${says('runs', strategy.inspect)}`
  const { text } = await link.host.run(script, { label: 'Looking for drift', quiet: true, timeoutMs: 300_000 })
  const said = (word: string) =>
    text.split('\n').flatMap((line) => (line.startsWith(word) ? [line.slice(word.length).trim()] : []))
  const of = (kind: 'env' | 'strategy') => said(`drift.${kind} `).map((each) => ({ kind, text: each }))
  const drift = [...files, ...of('env'), ...of('strategy')]
  note(drift.length === 0 ? 'as it was deployed' : `${drift.length} differ`)
  return { ...member, drift, running: said('runs ') }
}

function filesDrift({ added, changed, removed, counts }: Difference): StatusRecord['drift'] {
  const list = (names: readonly string[], total: number, what: string) => [
    ...names.map((name) => `${name} ${what}`),
    ...(total > names.length ? [`${total - names.length} more ${what}`] : []),
  ]
  return [
    ...list(changed, counts.changed, 'was changed'),
    ...list(added, counts.added, 'is gone'),
    ...list(removed, counts.removed, 'was added'),
  ].map((text) => ({ kind: 'file', text }))
}
