import { assign, heredoc, quote, sh } from '../shell.ts'
import { dataKit, exits } from './kit.ts'
import { migrateKit } from './migrate.ts'
import { fixes } from './said.ts'
import { unitsOf, unitsScript } from './unit.ts'

export { parseBackup } from './line.ts'
export { dataFailed, saidOf } from './said.ts'

/** What is to happen to the data around one change. */
export interface DataPlan {
  /** Lines of `backup`. */
  readonly lines: readonly string[]
  readonly path: string
  /** Of the release to go to, and of the one that runs. */
  readonly id: string
  readonly previousId: string
  /** A rollback by hand: its release has backups of its own already, from when it was new. */
  readonly again: boolean
  /** Whether data that the change may have touched is brought back with the rest, and with a rollback by hand. */
  readonly restore: boolean
  readonly migrate: boolean
  /** Migrations with the same key are the same. */
  readonly key: string
  readonly force: boolean
}

/** Shell for the parts of a transaction; empty where there is nothing to do. */
export interface DataScripts {
  readonly snapshot: string
  readonly backup: string
  readonly data: string
  readonly migrate: string
  readonly restore: string
  readonly confirm: string
  /** After a change that was not confirmed. */
  readonly forget: string
}

export function compileData(plan: DataPlan): DataScripts {
  const units = unitsOf(plan.lines, plan.path)
  const [back, any] = [plan.restore && units.length > 0, units.length > 0 || plan.migrate]
  const values = assign({ hd_previous: plan.previousId, hd_times: plan.restore ? 2 : 1 })
  const kit = `${values}${unitsScript(units)}${dataKit}${migrateKit}`
  const goingBack = back && plan.again
  return {
    snapshot: `${assign({ hd_id: plan.id })}${plan.again ? again : ''}echo "$hd_id" >"$work/data.name"\n${any ? heredoc('cat >"$work/data.sh"', kit) : ''}`,
    backup: units.length > 0 ? `${use}${goingBack ? assign({ target: plan.id }) + findSource : ''}${takeAll}` : '',
    data: goingBack ? `${use}${bringSource}` : '',
    migrate: plan.migrate ? `${use}hd_migrate ${quote(plan.key)} ${plan.force ? 'true' : "''"}` : '',
    restore: back ? bringBack : '',
    confirm: assign({ hd_previous: plan.previousId }) + ran + (any ? thin : ''),
    forget: units.length > 0 ? 'rm -f "$state"/backups/*/*.part*\n' : '',
  }
}

/**
 * Shell for a plan: says on descriptor 3, in the words of every preflight, what of the data could not be backed up, and
 * why. All that it writes is in $work.
 */
export function lookAtData({ lines, path, restore }: Pick<DataPlan, 'lines' | 'path' | 'restore'>): string {
  const units = unitsOf(lines, path)
  if (units.length === 0) return ''
  const values = assign({ hd_previous: '', hd_times: restore ? 2 : 1, ...ends })
  return `${values}${unitsScript(units)}echo plan >"$work/data.name"\n${dataKit}${lookOnly}`
}

/** What a look can end with: code and fix, in a field each. */
const ends = Object.fromEntries(
  ([81, 83, 84] as const).map((exit) => [
    `end${exit}`,
    `${exits[exit]}\tThe data could not be backed up.\t%s\t${fixes[exits[exit]]}`,
  ]),
)

const lookOnly = sh`
need=0
hd_ahead() { # FUNCTION ARGUMENT…
  rc=0; ( "$@" && echo "$need" >"$work/data.need" ) >"$work/data.notes" 2>"$work/data.why" 3>&- || rc=$?
  sed -n 's/^homelab-deploy: /note /p' "$work/data.notes" >&3
  [ "$rc" != 0 ] || { need=$(cat "$work/data.need"); return 0; }
  case $rc in 83) end=$end83 ;; 84) end=$end84 ;; *) end=$end81 ;; esac
  printf "refuse $end\n" "$(tail -n 1 "$work/data.why")" >&3
}
hd_each_ahead() { hd_ahead hd_look "$@"; }
hd_units hd_each_ahead
hd_ahead hd_room
`

/** The name of the backups: sorts by time, as release ids do. */
const again = 'hd_id=$(date -u +%Y%m%d-%H%M%S)-to-$hd_id\n'

const use = '. "$work/data.sh"\n'

/** Everything is looked at before anything is written. */
const takeAll = sh`(
umask 077
mkdir -p "$state/backups"
need=0
hd_units hd_look
hd_room
hd_units hd_take
hd_journal backup "$hd_name" "\${hd_previous:--}"
)`

/**
 * The data as it was when the release last ran: as of the backup that was made before the change that left it. When that
 * change made none, an older one would silently take the data too far back.
 */
const findSource = sh`hd_source=$(hd_read | awk -v target="$target" '
  $2 == "backup" { made[$3]; if ($4 == target) last = $3 }
  $2 == "ran" && $4 == target { last = ($3 in made) ? $3 : "" }
  END { print last }')
[ -n "$hd_source" ] || hd_fail 86 "No backup was made when the release $target was left for the one after it."
hd_find() {
  hd_unit "$@"
  [ -e "$dir/$hd_source.$suffix" ] || hd_read | grep -q " absent $hd_source $folder\$" || hd_fail 86 "$kind: $of: the backup $dir/$hd_source.$suffix is not there."
}
hd_units hd_find
printf '%s\n' "$hd_source" >"$work/data.source"
`

const bringSource = sh`( umask 077; hd_back "$(cat "$work/data.source")" "$hd_name.replaced" )
hd_warn "What was written since is in the backups $hd_name and $hd_name.replaced only."`

/** Only what may have been touched: before, the old version went on with its data. */
const bringBack = sh`if [ -e "$work/log.data" ] || [ -e "$work/log.migrate" ] || [ -e "$work/log.apply" ]; then
  ( umask 077; . "$work/data.sh"; hd_back "$hd_name" "$hd_name.failed" ) || { echo "The data could not be brought back." >&2; exit 1; }
fi
`

/** Also where nothing is backed up any more: a journal that has begun tells every change. */
const ran = sh`[ ! -s "$state/data.log" ] || (
  umask 077
  [ -z "$(tail -c 1 "$state/data.log")" ] || echo >>"$state/data.log"
  printf '%s ran %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(cat "$work/data.name")" "\${hd_previous:--}" >>"$state/data.log"
)
`

const thin = sh`( . "$work/data.sh"; hd_units hd_thin ) || :
`
