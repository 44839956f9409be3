import { assign, sh } from '../shell.ts'

/**
 * Everything that users made goes first, in the transaction that brings the backup: what the new version added would
 * otherwise stay, or stand in the way of what it refers to. What extensions made is theirs, and what belongs to
 * something else (the sequence of an identity column) goes with it.
 */
const clear = `DO $hd$
DECLARE it record;
BEGIN
  FOR it IN
    SELECT c.oid::regclass AS name, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
      WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind, c.oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'i'))
  LOOP
    -- What an earlier one took with it is gone.
    IF EXISTS (SELECT 1 FROM pg_class WHERE oid = it.oid) THEN EXECUTE format('DROP %s %s CASCADE', it.kind, it.name); END IF;
  END LOOP;
  FOR it IN
    SELECT p.oid::regprocedure AS name, p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
  LOOP
    IF EXISTS (SELECT 1 FROM pg_proc WHERE oid = it.oid) THEN EXECUTE format('DROP ROUTINE %s CASCADE', it.name); END IF;
  END LOOP;
  FOR it IN
    SELECT t.oid::regtype AS name, t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND t.typtype IN ('e', 'd', 'c', 'r')
      AND (t.typtype <> 'c' OR EXISTS (SELECT 1 FROM pg_class WHERE oid = t.typrelid AND relkind = 'c'))
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype IN ('e', 'i'))
  LOOP
    IF EXISTS (SELECT 1 FROM pg_type WHERE oid = it.oid) THEN EXECUTE format('DROP TYPE %s CASCADE', it.name); END IF;
  END LOOP;
  FOR it IN
    SELECT n.nspname AS name FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
  LOOP
    -- One that an extension lives in stays.
    BEGIN EXECUTE format('DROP SCHEMA %I', it.name); EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END;
  END LOOP;
END $hd$;`

const failed = "DO $hd$ BEGIN RAISE EXCEPTION 'pg_restore failed'; END $hd$;"

/** A database of PostgreSQL: a dump of one moment, and all of it or nothing on the way back. */
export const postgresProgram =
  'op=$1 db=$2\n' +
  assign({ clear, failed }) +
  sh`
for tool in psql pg_dump pg_restore createdb; do
  command -v "$tool" >/dev/null 2>&1 || { echo "$tool is missing: install the client of PostgreSQL (apt install postgresql-client, apk add postgresql-client)." >&2; exit 93; }
done
names() { sql -d postgres -c 'SELECT datname FROM pg_database' 2>/dev/null; }
sql() { psql -X -A -t -q -w -v ON_ERROR_STOP=1 "$@" </dev/null; }
case $op in
  size)
    if ! said=$(sql -d "$db" -c "SELECT current_setting('server_version_num')::int / 10000, pg_database_size(current_database()) / 1024 + 1" 2>&1); then
      # Only the server knows whether it is not there, or not for us.
      all=$(names) || all=$db
      printf '%s\n' "$all" | grep -qxF -e "$db" || exit 90
      printf '%s\n' "$said" >&2; exit 92
    fi
    server=\${said%%|*}
    client=$(pg_dump --version | sed 's/^[^0-9]*//; s/[^0-9].*//')
    [ "$client" -ge "$server" ] || { echo "pg_dump is of version $client and the server of $server: a dump needs one that is as new (apt install postgresql-client-$server)." >&2; exit 94; }
    echo "\${said#*|}" ;;
  ready)
    # After a reboot the server may be slower than we are.
    for _ in $(seq 60); do
      sql -d "$db" -c 'SELECT 1' >/dev/null 2>&1 || sql -d postgres -c 'SELECT 1' >/dev/null 2>&1 && exit 0
      sleep 2
    done
    sql -d "$db" -c 'SELECT 1' >/dev/null ;;
  save) pg_dump -w -Fc -d "$db" ;;
  load)
    all=$(names) || all=$db
    printf '%s\n' "$all" | grep -qxF -e "$db" || createdb -w "$db" || exit
    # Who is connected holds locks; pools connect again.
    sql -d "$db" -c 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()' >/dev/null 2>&1 || :
    { echo "BEGIN; SET LOCAL lock_timeout = '60s'; SET LOCAL client_min_messages = warning;"; printf '%s\n' "$clear"
      if pg_restore --clean --if-exists -f -; then echo 'COMMIT;'; else printf '%s\n' "$failed"; fi
    } | psql -X -q -w -v ON_ERROR_STOP=1 -d "$db" >/dev/null ;;
esac
`
