import type { Explained } from '../strategy.ts'
import { explain as explainUnits } from '../uv/explain.ts'

/** What Nix and the activation said, in the words of somebody who has to do something about it. */
export function explain(phase: string, output: string): Explained | undefined {
  const [, kind = '', about = ''] = [...output.matchAll(/^hd-nix: (\S+)[\t ]*(.*)$/gm)].at(-1) ?? []
  if (phase === 'build' || phase === 'foresee') return explainBuild(kind, about, output)
  if (phase !== 'apply') return undefined
  return kind === '' ? explainUnits(phase, output) : explainActivation(kind, about.trim(), output)
}

const untouched = 'Nothing was changed.'

/** Of all that Nix prints, its own words on what is wrong. */
function cause(output: string): string {
  const lines = output.split('\n').map((line) => line.trim())
  const at = lines.findLastIndex((line) => /^error:/.test(line))
  if (at < 0) return lines.findLast((line) => line !== '' && !line.startsWith('hd-nix: ')) ?? ''
  // A trace comes first, and the error itself last, on a line of its own.
  const first = lines[at]?.replace(/^error:\s*/, '') ?? ''
  const found =
    first === '' || first.startsWith('…') ? lines.slice(at + 1).findLast((line) => /^error: /.test(line)) : first
  return (found ?? first).replace(/^error: /, '')
}

const builds: readonly (readonly [RegExp, Explained['code'], string, string])[] = [
  [
    /lacks a signature by a trusted key|signed by (?:any|a) .*trusted|because it lacks a .*signature/i,
    'HD-NIX-05',
    'The host does not trust what the runner built.',
    'Deploy as root, or as a user of `nix.settings.trusted-users`; or sign it: `secret-key-files` in the nix.conf of the runner, and that key in `trusted-public-keys` of the host. `build-on: host` needs none of these.',
  ],
  [
    /requires lock file changes|lock file .*(?:not allowed|cannot be|needs to be) updated/i,
    'HD-NIX-01',
    'flake.lock does not belong to this flake.nix.',
    'Run `nix flake lock` and commit flake.lock with the change.',
  ],
  [
    /does not provide attribute/i,
    'HD-NIX-01',
    'The flake has no such system.',
    'Check the name after `#` in `flake`: it is one of `nixosConfigurations`. Without one it is the name of the host.',
  ],
  [
    /required to build|but I am a|platform mismatch|exec format error/i,
    'HD-NIX-07',
    'The system is for another machine than the one that builds it.',
    'Build it where it fits (`build-on: host`), or set up emulation or a remote builder there (`boot.binfmt.emulatedSystems`).',
  ],
  [
    /not owned by current user|dubious ownership/i,
    'HD-NIX-01',
    'The repository belongs to another user.',
    'Log in as its owner or as root, or let `sync` bring the code.',
  ],
  [
    /cannot connect to (?:socket|daemon)|permission denied.*daemon-socket/i,
    'HD-NIX-02',
    'The daemon of Nix does not answer this user.',
    'Look at `systemctl status nix-daemon` and at `nix.settings.allowed-users` on the host.',
  ],
  [
    /unable to download|could not resolve host|cannot download|couldn't connect|timed out/i,
    'HD-NIX-02',
    'Something that the system needs could not be downloaded.',
    'Check the network of the machine that builds, and its substituters.',
  ],
]

function explainBuild(kind: string, about: string, output: string): Explained {
  const why = cause(output)
  if (kind === 'machine') {
    const [is, host] = about.split(' ')
    return {
      code: 'HD-NIX-07',
      what: 'The system is for another machine.',
      why: `It was built for ${is}, and this host is ${host}.`,
      fix: `Check the name after \`#\` in \`flake\`, and \`nixpkgs.hostPlatform\`. ${untouched}`,
    }
  }
  if (kind === 'space') {
    const [where, needed, free] = about.split(' ')
    return {
      code: 'HD-NIX-08',
      what: `${where} has no room for the new kernel.`,
      why: `It takes ${needed} KiB, and ${free} KiB are free.`,
      fix: `Remove old generations (\`nix-collect-garbage --delete-older-than 30d\`, then \`nixos-rebuild boot\`), or set \`boot.loader.*.configurationLimit\`. ${untouched}`,
    }
  }
  if (kind === 'system') {
    const fix = 'Name a system: `nixosConfigurations.NAME.config.system.build.toplevel`, or its store path.'
    return {
      code: 'HD-NIX-01',
      what: 'What was built is no NixOS system.',
      why: `There is no bin/switch-to-configuration in ${about}.`,
      fix,
    }
  }
  const known = builds.find(([pattern]) => pattern.test(output))
  if (known !== undefined) return { code: known[1], what: known[2], why, fix: `${known[3]} ${untouched}` }
  if (kind === 'check') {
    const fix = `Run \`nix flake check\` where you can mend it. ${untouched}`
    return { code: 'HD-NIX-02', what: '`nix flake check` failed.', why, fix }
  }
  if (kind === 'prebuilt') {
    const fix = `Copy it there first (\`nix copy --to ssh-ng://HOST ${about}\`), or to a cache that the host knows. ${untouched}`
    return { code: 'HD-NIX-02', what: 'The store path is not on the host, and could not be fetched.', why, fix }
  }
  const evaluated = !/builder for .* failed|build of .* failed|build of .* cannot|dependenc(?:y|ies) .*failed/i.test(
    output,
  )
  return {
    code: 'HD-NIX-02',
    what: evaluated ? 'The flake could not be evaluated.' : 'The system could not be built.',
    why,
    fix: `What Nix said is in the log of this step and in the summary. ${untouched}`,
  }
}

const activations: Readonly<Record<string, readonly [string, string]>> = {
  '1': [
    'A check before the switch failed, the boot loader could not be written, or systemd gave no answer.',
    'Its last lines are in the log of this step.',
  ],
  '2': ['A part of the activation script failed.', 'The log of this step names the snippet that failed.'],
  '11': [
    'Another activation is at it.',
    'Wait for its end (nixos-upgrade, or somebody at the console), and deploy again.',
  ],
  '100': [
    'The new system has another init, and can only be entered by a reboot.',
    'Take that step by hand once: `nixos-rebuild boot`, and reboot.',
  ],
  '101': ['switch-to-configuration itself crashed.', 'Its last lines are in the log of this step.'],
  other: ['It said that all is well, and another system runs.', 'Somebody activated another one at the same time?'],
}

function explainActivation(kind: string, about: string, output: string): Explained {
  if (kind === '4') {
    return {
      code: 'HD-NIX-04',
      what: `The new system ran, and in it failed: ${about}.`,
      why: 'They had not failed before, and there is no health check of yours that could say it is well in spite of that.',
      fix: 'Their lines in the journal are on the host: `journalctl -u UNIT`. Say in `health` what has to work, and units that do not matter fail with a warning only.',
    }
  }
  const busy = kind === '11' || /could not acquire lock|already running\?|was already loaded/i.test(output)
  const [why, fix] = activations[busy ? '11' : kind] ?? [
    `switch-to-configuration ended with exit code ${kind}.`,
    'Its last lines are in the log of this step.',
  ]
  return {
    code: 'HD-NIX-03',
    what: 'The new system could not be activated.',
    why: [why, about !== '' && kind !== 'other' ? `Failed: ${about}.` : ''].filter(Boolean).join(' '),
    fix,
  }
}
