import { compileData, type DataPlan } from '../data/index.ts'
import type { Transaction } from '../guard/transaction.ts'
import { evidence } from '../health/index.ts'
import { appendToLedger, flush, type LedgerLine, prune, type ReleaseRecord, writeAtomically } from '../remote/state.ts'
import { assign, heredoc, quote, sh } from '../shell.ts'
import type { Scripts } from '../strategies/strategy.ts'
import { type Filters, type Places, treeScript } from '../sync/script.ts'
import type { Vitals } from './health.ts'
import type { ManagedFile, Plan, UserScripts } from './plan.ts'

/** Everything the scripts of one change are compiled from. */
export interface Change {
  readonly places: Places
  readonly filters: Filters
  readonly strategy: Scripts
  /** Ids of the release to go to and of the one that runs (or empty). */
  readonly id: string
  readonly previousId: string
  readonly revision: string
  readonly name: string
  /** Whether there is a tree to switch: not with `sync: none`. */
  readonly tree: boolean
}

/** What the transaction records besides. */
export interface Parts {
  readonly plan: Plan
  readonly vitals: Vitals
  readonly data: DataPlan
  /** Of a release that is new; one of old has its record already. */
  readonly record: ReleaseRecord | undefined
  readonly strategyName: string
  readonly previousRevision: string
  readonly lockToken: string
  readonly elapsedMs: number
  /** Among several hosts: waits for its turn before the first change. */
  readonly gated: boolean
  /** For somebody at the console of the host. */
  readonly console: { readonly keep: string; readonly install: string }
}

/** The user's commands, and the files beside the code. */
const functions = sh`
# The user's command $1 of the release $2, in $path; $RELEASE is the tree of the release $3, or else of $2.
hd_user() {
  file=$2/scripts/$1
  [ -s "$file" ] || return 0
  (
    cd -- "$path" 2>/dev/null || cd
    hd_environment
    RELEASE=\${3-$2}; RELEASE=\${RELEASE:+$RELEASE/tree}; export RELEASE
    exec 3>&- </dev/null
    case $(head -c 2 "$file") in '#!') exec "$file" ;; *) exec /bin/sh -e "$file" ;; esac
  )
}
hd_each_file() { # FUNCTION: for each managed file of this release, with its number and where it belongs
  [ -f "$release/files/list" ] || return 0
  while IFS= read -r line; do
    dest=\${line#* }
    case $dest in /*) ;; *) dest=$path/$dest ;; esac
    [ ! -L "$dest" ] || dest=$(readlink -f "$dest")
    "$1" "\${line%% *}" "$dest" || return 1
  done <"$release/files/list"
}
hd_file_save() { if [ -e "$2" ]; then cp -p -- "$2" "$work/file.$1"; else : >"$work/file.$1.none"; fi; }
hd_file_put() {
  mkdir -p -- "$(dirname "$2")" && (umask 077; cat "$release/files/$1" >"$2.hd-new") && chmod 600 "$2.hd-new" || return 1
  if [ "$(id -u)" = 0 ]; then like=$2; [ -e "$like" ] || like=$(dirname "$2"); chown "$(stat -c %u:%g "$like")" "$2.hd-new" || return 1; fi
  mv -f -- "$2.hd-new" "$2"
}
hd_file_back() {
  rm -f -- "$2.hd-new"
  if [ -e "$work/file.$1" ]; then cp -p -- "$work/file.$1" "$2.hd-new" && mv -f -- "$2.hd-new" "$2"
  elif [ -e "$work/file.$1.none" ]; then rm -f -- "$2"; fi
}
hd_file_same() { [ -e "$2" ] && cmp -s "$release/files/$1" "$2"; }
`

/** The head of every script of this change. */
export function head({ places, filters, strategy, id, previousId, revision, name }: Change): string {
  const values = assign({ DEPLOY_NAME: name, DEPLOY_ID: id, DEPLOY_PREVIOUS: previousId, DEPLOY_REVISION: revision })
  const environment = `hd_environment() {\n:\n${strategy.environment}\n}\n`
  return `${treeScript(places, filters)}\n${functions}\n${environment}${values}export DEPLOY_NAME DEPLOY_ID DEPLOY_PREVIOUS DEPLOY_REVISION\n`
}

/** Writes the user's commands and the managed files below the release. Secret content travels by stdin only. */
export function writeRelease(
  release: string,
  scripts: UserScripts,
  files: readonly ManagedFile[],
  secrets: Plan['secrets'],
): string {
  const commands = Object.entries(scripts).map(([name, text]) =>
    heredoc(`cat >${quote(`${release}/scripts/${name}`)}`, text as string),
  )
  const contents = files.map(({ base64 }, index) =>
    heredoc(`base64 -d >${quote(`${release}/files/${index}`)}`, base64.reveal()),
  )
  // For the strategy, which deletes each once it was used.
  const { 'github-token': _, ...forHost } = secrets
  const kept = Object.entries(forHost).map(([name, secret]) =>
    heredoc(`cat >${quote(`${release}/secrets/${name}`)}`, secret.reveal()),
  )
  const list = files.map(({ path }, index) => `${index} ${path}\n`).join('')
  const names = files
    .flatMap((file, index) =>
      file.names === undefined ? [] : [{ index, text: file.names.map((name) => `${name}\n`).join('') }],
    )
    .map(({ index, text }) => heredoc(`cat >"$release/files/${index}.names"`, text))
    .join('')
  return `${assign({ release })}(
umask 077
mkdir -p "$release/scripts" "$release/files" "$release/secrets"
${kept.join('')}${commands.join('')}${contents.join('')}${files.length > 0 ? heredoc('cat >"$release/files/list"', list) : ''}${names}chmod -R u+x "$release/scripts"
)
`
}

/** What people had there before the first deploy is theirs: no retention removes it. */
const adopt = sh`{ hd_adopted=$state/adopted; [ ! -e "$hd_adopted" ] || hd_adopted=$state/adopted-$DEPLOY_ID; mv "$work/before" "$hd_adopted"; }`

/**
 * Shell: says on descriptor 3 which variables of the env files come (`env + NAME`) and go (`env - NAME`). The release before
 * knows the names; before the first one only those that come can be told, because nothing but a name of ours is looked for.
 */
export const envNames = sh`
hd_env_names() {
  [ -f "$release/files/$1.names" ] || return 0
  if [ -n "$prev" ] && [ "$prev" != "$release" ] && [ -f "$prev/files/$1.names" ]; then
    sort -u "$release/files/$1.names" >"$work/names.new"; sort -u "$prev/files/$1.names" >"$work/names.old"
    comm -23 "$work/names.new" "$work/names.old" | sed 's/^/env + /' >&3
    comm -13 "$work/names.new" "$work/names.old" | sed 's/^/env - /' >&3
  elif [ ! -e "$2" ]; then sed 's/^/env + /' "$release/files/$1.names" >&3
  elif [ -f "$2" ]; then
    while IFS= read -r name; do grep -qE "^[[:space:]]*(export[[:space:]]+)?$name[[:space:]]*=" "$2" || echo "env + $name" >&3; done <"$release/files/$1.names"
  fi
}
hd_each_file hd_env_names
`

/** The change as a transaction that the host can finish, or take back, without anybody. */
export function compileTransaction(change: Change, parts: Parts): Transaction {
  const { strategy, places, tree, id, previousId, revision } = change
  const { record, plan } = parts
  // Whatever becomes of it, the change itself is done.
  const tidy = `rm -rf "$release/secrets"\n(\n:\n${strategy.tidy}\n) || :\n`
  const data = compileData(parts.data)
  // A phase that has nothing to do does not exist.
  const given = (phases: Transaction['phases']) =>
    Object.fromEntries(Object.entries(phases).filter(([, text]) => text !== ''))
  return {
    state: places.state,
    id,
    previousId,
    run: plan.run.url,
    head: head(change),
    elapsedMs: parts.elapsedMs,
    lockToken: parts.lockToken,
    gated: parts.gated,
    confirmSeconds: Math.ceil(plan.safety.confirmTimeout / 1_000),
    rollback: plan.safety.rollback,
    snapshot: `${tree ? 'hd_snapshot' : 'mkdir -p "$work"'}\nhd_each_file hd_file_save\n${data.snapshot}${strategy.snapshot}\n${parts.console.keep}`,
    phases: given({
      build: strategy.build,
      backup: data.backup,
      // On the disk before it is activated, and before the deadline begins: a slow disk costs no time that is counted.
      switch: `${tree ? 'hd_switch' : 'mkdir -p -- "$path"'}\nhd_each_file hd_file_put\n${flush('"$path"')}`,
      prepare: strategy.prepare,
      data: data.data,
      migrate: data.migrate,
      apply: strategy.apply || ':',
    }),
    evidence: evidence(parts.vitals.checks, parts.vitals.site),
    restore: `${tree ? 'hd_restore || { echo "The files could not be put back." >&2; exit 1; }' : ''}
hd_each_file hd_file_back || { echo "The env and secret files could not be put back." >&2; exit 1; }
${data.restore}${flush('"$path"')}cd -- "$path" 2>/dev/null || cd
set -e
${strategy.restore}`,
    confirm: `${record === undefined ? '' : writeAtomically(`${places.release}/record.json`, JSON.stringify(record))}
[ ! -d "$work/before" ] || ${previousId === '' ? adopt : '{ rm -rf "$release/before"; mv "$work/before" "$release/before"; }'}
${strategy.keep}
${parts.console.install}${writeAtomically(`${places.state}/current`, id)}${prune(places.state, plan.safety.keep, [id, previousId])}${data.confirm}\n${tidy}`,
    forget: `${data.forget}\n[ -f "$release/record.json" ] || rm -rf "$release"\n${tidy}`,
    ledger: {
      mode: plan.mode,
      strategy: parts.strategyName,
      release: id,
      previous: previousId,
      revision,
      previousRevision: parts.previousRevision,
      actor: plan.run.actor,
      run: plan.run.url,
    },
  }
}

/** Succeeds when the managed files, and what the strategy made, are as this release wants them; then the run ends here, with a line in the ledger. */
export function unchanged(change: Change, line: LedgerLine): string {
  const { state, release } = change.places
  return `${head(change)}\nhd_each_file hd_file_same\n${nothingElse(change)}${appendToLedger(state, line)}rm -rf ${quote(release)} "$work"\n`
}

/** Shell: ends here when the strategy says of anything that it is not as the release wants it. */
function nothingElse({ strategy: { diff } }: Change): string {
  return diff === ''
    ? ''
    : `hd_said=$( (\n${diff}\n) 3>&1 >&2 )\n[ -z "$hd_said" ] || { echo "$hd_said" >&2; exit 1; }\n`
}
