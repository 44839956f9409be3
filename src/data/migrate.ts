import { sh } from '../shell.ts'

/**
 * The migration of a release, once. The journal says whether it is in effect: it is what was done since the backup
 * that the data was last restored from, so a migration whose effect was taken back runs again.
 */
export const migrateKit = sh`
# How far the migration $1 is: nothing, begun, done.
hd_migrated() {
  hd_read | awk -v key="$1" '
    $2 == "backup" { for (k in is) then[$3, k] = is[k] }
    $2 == "restored" { for (k in is) is[k] = then[$3, k] }
    $2 == "begun" || $2 == "done" { is[$4] = $2 }
    END { print is[key] }'
}
hd_migrate() { # KEY FORCE
  case $(hd_migrated "$1") in
    done)
      if [ -z "$2" ]; then
        hd_note migration skipped
        hd_warn 'The migration of this release ran before, and does not run again. It does with "force: true".'
        return 0
      fi
      hd_warn 'The migration of this release ran before, and runs again, because of "force: true".' ;;
    begun) hd_warn 'An earlier run of this migration did not come to its end. It runs again.' ;;
  esac
  # On the disk before it begins: whatever happens then, it is known.
  hd_journal begun "$hd_name" "$1"
  hd_note migration begun
  rc=0; hd_user migrate "$release" || rc=$?
  if [ "$rc" != 0 ]; then echo HD-DATA-05 >"$work/code"; exit "$rc"; fi
  hd_journal done "$hd_name" "$1"
  hd_note migration done
}
hd_warn() { echo "homelab-deploy: warning: $*"; }
`
