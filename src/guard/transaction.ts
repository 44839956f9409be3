import type { Facts } from '../remote/facts.ts'
import type { LedgerLine } from '../remote/state.ts'
import { writeAtomically } from '../remote/state.ts'
import { assign, heredoc, quote, sh } from '../shell.ts'
import { guardMain, guardScript, settleMain } from './script.ts'

/** The phases of a change, in order. The deadline begins with `apply`; what is slow comes before it. */
export const phases = ['switch', 'prepare', 'migrate', 'apply'] as const
export type Phase = (typeof phases)[number]

/** Everything the host needs to make a change, or to take it back, by itself. */
export interface Transaction {
  readonly state: string
  readonly id: string
  readonly previousId: string
  readonly run: string
  /** Shell that each of the other scripts begins with. */
  readonly head: string
  /** Shell, run before anything is recorded: keeps what the change will replace. */
  readonly snapshot: string
  readonly phases: Readonly<Partial<Record<Phase, string>>>
  readonly evidence: string
  readonly restore: string
  readonly confirm: string
  /** After the way back: what is left of the failed release goes. */
  readonly forget: string
  readonly ledger: Omit<LedgerLine, 'at' | 'result' | 'code' | 'durationMs'>
  readonly elapsedMs: number
  readonly confirmSeconds: number
  readonly rollback: 'auto' | 'off' | 'data'
  readonly lockToken: string
}

/** After this long without a sign of life, the runner counts as gone. It sends one each ten seconds. */
const silenceSeconds = 30

/** The environment of the login, for scripts that run without one. */
function environment(work: string): string {
  const names = 'PATH HOME USER XDG_RUNTIME_DIR'
  return `{ ${names
    .split(' ')
    .map((name) => `read -r ${name}`)
    .join('; ')}; } <${quote(`${work}/env`)}; LOGNAME=$USER; export ${names} LOGNAME; [ -n "$XDG_RUNTIME_DIR" ] || unset XDG_RUNTIME_DIR\n`
}

/** One line in the ledger, by whoever comes to the end: result and code are known only then. */
const ledger = sh`
hd_ledger() { # RESULT CODE
  ms=$(awk -v began="$(cat "$work/began")" -v before="$elapsed_ms" '{ print int(($1 - began) * 1000) + before }' /proc/uptime)
  [ -z "$(tail -c 1 "$state/ledger.jsonl" 2>/dev/null)" ] || echo >>"$state/ledger.jsonl"
  printf '{"at":"%s","result":"%s","code":"%s","durationMs":%s,%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$2" "$ms" "$(cut -c2- "$work/ledger.line")" >>"$state/ledger.jsonl"
}
hd_end() { # The transaction is over: nothing settles it any more.
  rm -f "$state/pending.json"
  rm -f "$unit_dir/$unit" "$unit_dir/$wanted_by.wants/$unit" 2>/dev/null || :
}
`

/** Without a confirmation: why ($1), and what came of it ($2). */
const ended = sh`
set -eu
code=$(cat "$work/code" 2>/dev/null || :)
case $1 in expired) code=HD-GUARD-01 ;; failed) code=\${code:-HD-STEP-01} ;; esac
`

/** Where a unit has to be for systemd to start it after a reboot, while a change is open. */
function bootUnit({ init, user }: Facts, id: string): { dir: string; target: string; name: string } {
  const name = `homelab-deploy-${id}.service`
  if (init !== 'systemd') return { dir: '', target: '', name }
  return user.uid === 0
    ? { dir: '/etc/systemd/system', target: 'multi-user.target', name }
    : { dir: `${user.home}/.config/systemd/user`, target: 'default.target', name }
}

/**
 * Shell that begins the change: everything the way back needs is on the disk, then a pending record says so, and only
 * then the guard starts and the first file changes.
 */
export function begin(transaction: Transaction, facts: Facts): string {
  const { state, id } = transaction
  const work = `${state}/work`
  const unit = bootUnit(facts, id)
  const values = assign({
    ...{ state, work, id, silence: silenceSeconds, confirm_seconds: transaction.confirmSeconds, timed: 'apply' },
    ...{ rollback: transaction.rollback, token: transaction.lockToken, elapsed_ms: transaction.elapsedMs },
    ...{ unit: unit.name, unit_dir: unit.dir, wanted_by: unit.target },
    phases: phases.filter((phase) => transaction.phases[phase]).join(' '),
  })
  const file = (name: string, body: string) => heredoc(`cat >"$work/${name}"`, body)
  const script = (name: string, body: string) => file(name, `. ${quote(`${work}/head.sh`)}\n${body}\n`)
  const pending = JSON.stringify({
    id,
    previous: transaction.previousId,
    run: transaction.run,
    at: new Date().toISOString(),
  })
  return [
    transaction.head,
    values,
    '( umask 077; mkdir -p "$work/phase" )',
    'umask >"$work/umask"',
    transaction.snapshot,
    '( umask 077',
    // A unit of systemd has neither the PATH nor the HOME of the login.
    sh`printf '%s\n' "$PATH" "$HOME" "$(id -un)" "\${XDG_RUNTIME_DIR-}" >"$work/env"`,
    // What the user's commands write gets the modes that a login gives; the guard itself writes for its user alone.
    file('head.sh', `${environment(work)}${transaction.head}\n${values}\numask "$(cat "$work/umask")"\n${ledger}`),
    ...phases.map((phase) => script(`phase/${phase}`, `set -eu\n${transaction.phases[phase] ?? ''}`)),
    script('evidence.sh', transaction.evidence),
    script('restore.sh', transaction.restore),
    script(
      'confirm.sh',
      `[ -e "$state/pending.json" ] || exit 0\nset -eu\n${transaction.confirm}\nhd_ledger deployed ''\nhd_end`,
    ),
    script(
      'ended.sh',
      `${ended}\nif [ "$2" = rolled-back ]; then ${transaction.forget}; fi\nhd_ledger "$2" "$code"\nhd_end`,
    ),
    file('ledger.line', JSON.stringify(transaction.ledger)),
    script('guard.sh', `${guardScript}\n${guardMain}`),
    script('settle.sh', `${guardScript}\n${settleMain}`),
    'rm -f "$state/verdict"; date +%s >"$work/since"; cut -d" " -f1 /proc/uptime >"$work/began"; : >"$work/open" )',
    writeAtomically(`${state}/pending.json`, pending),
    start,
  ].join('\n')
}

/** Starts the guard where no end of a login can reach it: systemd where it may, else a session of its own. */
const start = sh`
if [ -n "$unit_dir" ] && mkdir -p "$unit_dir/$wanted_by.wants" 2>/dev/null && [ -w "$unit_dir/$wanted_by.wants" ]; then
  printf '[Unit]\nDescription=Settles the deploy %s, which a reboot interrupted\nWants=network-online.target\nAfter=local-fs.target network-online.target docker.service\n[Service]\nType=oneshot\nKillMode=process\nExecStart=/bin/sh "%s/settle.sh"\n' "$id" "$(printf %s "$work" | sed 's/%/%%/g')" >"$unit_dir/$unit" &&
    ln -sf "../$unit" "$unit_dir/$wanted_by.wants/$unit" || :
fi
hd_started=
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ]; then systemd-run --quiet --collect --no-block --unit="homelab-deploy-guard-$id" -p KillMode=process /bin/sh "$work/guard.sh" 2>>"$work/guard.log" && hd_started=true
  else
    XDG_RUNTIME_DIR=\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}; export XDG_RUNTIME_DIR
    [ -e "/var/lib/systemd/linger/$(id -un)" ] && systemd-run --user --quiet --collect --no-block --unit="homelab-deploy-guard-$id" -p KillMode=process /bin/sh "$work/guard.sh" 2>>"$work/guard.log" && hd_started=true
  fi
fi
[ -n "$hd_started" ] || { if command -v setsid >/dev/null 2>&1; then setsid /bin/sh "$work/guard.sh" </dev/null >>"$work/guard.log" 2>&1 3>&- & else nohup /bin/sh "$work/guard.sh" </dev/null >>"$work/guard.log" 2>&1 3>&- & fi; }
echo armed >&3
`

/**
 * Shell that shows the log as it grows, from $offset on, until the phase ended, the verdict came, or the guard is
 * gone. Says on descriptor 3 how far it got, and why it stopped.
 */
export const follow = sh`
cd -- "$work" 2>/dev/null || { echo gone >&3; exit 0; }
log=log.\${phase:-restore}
emit() {
  [ -e "$log" ] || return 0
  size=$(wc -c <"$log")
  [ "$size" -gt "$offset" ] || return 0
  tail -c "+$((offset + 1))" "$log" | head -c "$((size - offset))" >&2
  offset=$size; echo "offset $offset" >&3
}
alive() { read -r pid 2>/dev/null <pid || { [ "$turns" -lt 80 ]; return; }; grep -q guard.sh "/proc/$pid/cmdline" 2>/dev/null; }
turns=0
until [ -e verdict ] || { [ -n "$phase" ] && [ -e "done.$phase" ]; }; do
  emit
  turns=$((turns + 1))
  if [ $((turns % 20)) = 0 ] && ! alive && [ ! -e verdict ]; then echo dead >&3; break; fi
  if [ "$turns" -lt 40 ]; then sleep 0.05; else sleep 0.25; fi
done
emit
[ ! -e expired ] || echo expired >&3
[ -z "$phase" ] || [ ! -e "done.$phase" ] || echo "code $(cat "done.$phase")" >&3
[ ! -e verdict ] || echo "verdict $(cat verdict)" >&3
`

/** Shell by which the runner decides: one rename, which succeeds only where nobody decided before. */
export const decide = (state: string, decision: 'confirmed' | 'refused', code = ''): string =>
  `${assign({ state, work: `${state}/work`, decision, code })}${sh`
if [ ! -e "$state/pending.json" ] && [ ! -e "$work/verdict" ]; then
  if [ -e "$state/verdict" ]; then echo "verdict $(cat "$state/verdict")" >&3; else echo none >&3; fi
  exit 0
fi
cd -- "$work"
[ -z "$code" ] || printf '%s\n' "$code" >code
if mv open "$decision" 2>/dev/null; then echo decided >&3; else echo late >&3; fi
if [ -e confirmed ] && [ ! -e verdict ]; then /bin/sh confirm.sh >>log.confirm 2>&1 && echo confirmed >verdict.new && mv -f verdict.new verdict; fi
[ ! -e verdict ] || echo "verdict $(cat verdict)" >&3
case $(cat verdict 2>/dev/null) in confirmed) cd / && rm -rf "$work" ;; esac
`}`
