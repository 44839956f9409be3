import type { Facts } from '../../remote/facts.ts'
import { quote, sh } from '../../shell.ts'
import { type Commands, sudoers } from '../uv/sudoers.ts'
import { type NixOptions, parseFlake } from './options.ts'

const functions = sh`
hd_say() { printf '%s %s\n' "$1" "$2" >&3; }
hd_refuse() { printf 'refuse %s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >&3; }
`

const host = sh`
if [ ! -e /run/current-system/bin/switch-to-configuration ]; then
  hd_refuse HD-NIX-01 "This host runs no NixOS." "There is no /run/current-system/bin/switch-to-configuration." "Choose another strategy for it."
  exit 0
fi
[ "$(hd_next)" = "$(hd_running)" ] || [ -z "$(hd_next)" ] || hd_say warn "What runs is not what would be booted: someone has activated $(hd_running) for a test, and the profile holds $(hd_next)."
for hd_unit in comin.service nixos-upgrade.timer; do
  case $(systemctl is-enabled "$hd_unit" 2>/dev/null) in enabled*) hd_say warn "$hd_unit changes the system by itself, and may undo this deploy, or its way back." ;; esac
done
`

/** Where the flake lies in files of ours: what Nix takes into its store, anybody on the host may read. */
const files = sh`
hd_place
if [ ! -e "$hd_folder/$hd_dir/flake.nix" ]; then
  hd_refuse HD-NIX-01 "There is no flake.nix in $hd_folder/$hd_dir." "The flake input names that folder." "Write flake: ./FOLDER#NAME, relative to source."
  exit 0
fi
if [ "$hd_flake" = . ]; then
  hd_listed() { hd_as_owner git --no-optional-locks -c safe.directory='*' -C "$hd_folder" status --porcelain -unormal -- "$(hd_git rev-parse --show-toplevel)" 2>/dev/null </dev/null | grep "$@" | cut -c4- | head -n 8 | tr '\n' ' '; }
  hd_files=$(hd_listed '^??') || :
  [ -z "$hd_files" ] || hd_say warn "Nix does not see these, for git does not know them: $hd_files"
  hd_files=$(hd_listed -v '^??') || :
  [ -z "$hd_files" ] || hd_say warn "These were edited on the host, are in no commit, and become part of the system: $hd_files"
else
  hd_files=$(cd -- "$hd_folder" && find . -name .git -prune -o '(' -name '.env' -o -name '.env.*' ')' -type f ! -name '*.example' ! -name '*.sample' ! -name '*.template' ! -name '*.dist' -print | head -n 8 | sed 's|^\./||' | tr '\n' ' ') || :
  [ -z "$hd_files" ] || hd_refuse HD-NIX-06 "Secrets would enter the Nix store: $hd_files" "Without git, Nix copies the whole folder of the flake into its store, which every user of the host can read." "Leave them out of the source (exclude), and give them by env-file or secret-files."
fi
`

/** Everything this runs as root where the login is another user, and may not run everything. */
export function rootCommands({ restart }: NixOptions, facts: Facts): Commands {
  const at = (name: string) => facts.tools[name]?.path ?? `/run/current-system/sw/bin/${name}`
  const each = (...verbs: string[]) => restart.flatMap((unit) => verbs.map((verb) => [at('systemctl'), verb, unit]))
  return { needed: [[at('nixos-rebuild')], ...each('restart')], besides: each('reset-failed', 'stop') }
}

const tab = '\t'
const refusal = (...texts: string[]) =>
  `printf '%s\\n' ${quote(`refuse ${texts.map((text) => text.trim().replaceAll('\n', '\\n')).join(tab)}`)} >&3`

export function preflight(options: NixOptions, facts: Facts): string {
  const flake = parseFlake(options.flake)
  const limited = facts.sudo === 'some' || facts.sudo === 'none'
  const commands = rootCommands(options, facts)
  const tests = commands.needed.map((words) => `sudo -n -l ${words.map(quote).join(' ')} >/dev/null 2>&1`)
  const refuse = refusal(
    'HD-SUDO-01',
    `${facts.user.name} may not activate a system without a password.`,
    'sudo asks for a password or does not allow it.',
    `On the host add these to \`security.sudo.extraConfig\` (or to a file in /etc/sudoers.d), or deploy as root:\n${sudoers(facts.user.name, commands)}`,
  )
  const tool = refusal(
    'HD-PATH-01',
    'nixos-rebuild is missing on the host.',
    limited
      ? `${facts.user.name} may not run everything as root, so the system has to be activated by nixos-rebuild.`
      : '`activation: native` is done by it.',
    'Enable `system.tools.nixos-rebuild`, or deploy as root with `activation: guarded`.',
  )
  const needsTool = (limited || options.activation === 'native') && facts.tools['nixos-rebuild'] === undefined
  return [
    functions,
    needsTool ? `${tool}\nexit 0\n` : '',
    limited && !needsTool ? `if ! { ${tests.join(' && ')}; }; then ${refuse}; fi\n` : '',
    host,
    flake.url !== undefined || flake.system !== undefined || options.buildOn === 'runner' ? '' : files,
  ].join('')
}
