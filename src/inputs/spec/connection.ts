import { modes } from '../../pipeline/plan.ts'
import { readAddress } from '../address.ts'
import { block, list, oneLine } from '../form.ts'
import { choice, duration, word } from '../forms.ts'
import { hostKey } from '../host-keys.ts'
import { readName } from '../names.ts'
import { readPrivateKey } from '../private-key.ts'
import type { InputSpec } from '../spec.ts'

/** What is deployed, where, and how to get there. */
export const connection = {
  mode: {
    group: 'what',
    description:
      'What to do: `deploy`; `rollback` to an older release; `plan` says all that would happen and changes nothing; `status` says what runs; `upload-keys` uploads the keys of colmena and the secret files again, and nothing else.',
    default: 'deploy',
    form: choice(modes),
  },
  strategy: {
    group: 'what',
    description:
      'How the new version is activated; `auto` decides by the files in `source`, and two matches are an error.',
    default: 'auto',
    form: choice(['auto', 'nixos-rebuild', 'colmena', 'uv', 'compose', 'stack', 'script']),
  },
  name: {
    group: 'what',
    description: 'The application: names the lock, the ledger and the state directory on the host.',
    otherwise: 'the name of the repository',
    form: oneLine('', '', readName),
  },
  config: {
    group: 'what',
    description:
      'A YAML file of these same inputs, under `defaults:` and `targets: {staging: …, prod: …}`; what the workflow gives wins.',
    otherwise: '`.github/homelab-deploy.yml` if present',
    workflowOnly: true,
    form: word,
  },
  target: {
    group: 'what',
    description: 'The entry of `targets:` in the config file to deploy to.',
    workflowOnly: true,
    form: word,
  },
  host: {
    group: 'where',
    description:
      'Where to deploy, written `[user@]host[:port]` (user `root` and port 22 unless given), one or more lines; with `strategy: colmena` the hive says it.',
    form: list('', readAddress, { commas: true }),
  },
  'ssh-key': {
    group: 'where',
    description: 'The private key; a lost line break at its end and those of Windows are repaired.',
    otherwise: 'a running SSH agent; none is needed with Tailscale SSH',
    secret: true,
    form: block('', undefined, readPrivateKey),
  },
  'ssh-key-passphrase': {
    group: 'where',
    description: 'The passphrase of `ssh-key`.',
    secret: true,
    form: block('', '', (text) => text.trim()),
  },
  'host-key': {
    group: 'where',
    description:
      'The key the host must show: known_hosts lines, `SHA256:…` fingerprints, `tailnet` (trust what the tailnet says about the host) or `accept-new`.',
    otherwise: 'strict: stop, and show the key that was seen and how to check it',
    form: hostKey,
  },
  'jump-host': {
    group: 'where',
    description: 'A host to go through, written as `host`.',
    form: oneLine('', undefined, readAddress),
  },
  'jump-host-key': {
    group: 'where',
    description: 'The key of the jump host, written as `host-key`.',
    otherwise: 'strict',
    form: hostKey,
  },
  'connect-timeout': {
    group: 'where',
    description: 'How long to try until the SSH server of the host answers.',
    default: '90s',
    form: duration('1s', '1h'),
  },
} as const satisfies Record<string, InputSpec>
