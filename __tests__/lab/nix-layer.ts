import { heredoc } from '../../src/shell.ts'
import type { Layer } from './layers.ts'

/**
 * What NixOS does before and around systemd, on Debian with the real Nix: a boot loader that knows one system, the links
 * below /run, the units of the system that runs, and an /etc that belongs to the system.
 */
const stage2 = `#!/bin/sh
# What was chosen at the last \`boot\` or \`switch\` is what starts.
[ -L /boot/default ] || exit 0
ln -sfn "$(readlink /boot/default)" /run/booted-system
ln -sfn "$(readlink /boot/default)" /run/current-system
mount --bind /etc/systemd/system /etc/systemd/system && mount -o remount,bind,ro /etc/systemd/system
`

const generator = `#!/bin/sh
system=/run/current-system; [ -e "$system" ] || system=/boot/default
[ -d "$system/etc/systemd/system" ] || exit 0
mkdir -p "$1/multi-user.target.wants"
for unit in "$system"/etc/systemd/system/*.service; do
  [ -e "$unit" ] || continue
  ln -s "$(readlink -f "$unit")" "$1/\${unit##*/}"; ln -s "../\${unit##*/}" "$1/multi-user.target.wants/\${unit##*/}"
done
`

const stage2Unit = `[Unit]
DefaultDependencies=no
Before=sysinit.target
After=local-fs.target
[Service]
Type=oneshot
ExecStart=/usr/local/lib/nixos-stage-2
[Install]
WantedBy=sysinit.target
`

/** As much of nixos-rebuild as Nix itself does: it builds, it sets the profile, and hands over to the system. */
const rebuild = `#!/bin/sh
# A stand-in, which calls the real nix: nixos-rebuild comes with nixpkgs only. It knows no flag that the real one lacks.
set -eu
verb= flake= flags=
while [ $# -gt 0 ]; do
  case $1 in
    test | switch | boot | build | dry-activate) verb=$1 ;;
    --flake) flake=$2; shift ;;
    --impure | --show-trace | --refresh | --offline | --no-update-lock-file | --accept-flake-config) flags="$flags $1" ;;
    *) echo "nixos-rebuild: error: unrecognized arguments: $1" >&2; exit 2 ;;
  esac
  shift
done
[ -n "$verb" ] && [ -n "$flake" ] || { echo 'nixos-rebuild: error: an action and --flake are wanted' >&2; exit 2; }
case $flake in *#*) name=\${flake#*#} ;; *) name=$(cat /proc/sys/kernel/hostname) ;; esac
echo 'building the system configuration...' >&2
system=$(nix --extra-experimental-features 'nix-command flakes' build --print-out-paths --no-link $flags "\${flake%%#*}#nixosConfigurations.\\"$name\\".config.system.build.toplevel")
case $verb in switch | boot) nix-env -p /nix/var/nix/profiles/system --set "$system" ;; build) ln -sfn "$system" result; exit ;; esac
exec "$system/bin/switch-to-configuration" "$verb"
`

const write = (file: string, text: string, mode: string) =>
  `mkdir -p "$(dirname ${file})"\n${heredoc(`cat >${file}`, text)}chmod ${mode} ${file}\n`

const settings = `build-users-group = nixbld
sandbox = false
substituters =
`

export const nixLayer: Layer = {
  packages: ['nix-bin', 'nix-setup-systemd'],
  script: `${write('/usr/local/lib/nixos-stage-2', stage2, '755')}
${write('/etc/systemd/system-generators/nixos', generator, '755')}
${write('/etc/systemd/system/nixos-stage-2.service', stage2Unit, '644')}
${write('/usr/local/bin/nixos-rebuild', rebuild, '755')}
${write('/etc/nix/nix.conf', settings, '644')}
systemctl -q enable nixos-stage-2.service nix-daemon.socket
mkdir -p /boot /nix/var/nix/profiles
for user in deploy limited; do usermod -aG nix-users "$user"; done
`,
}
