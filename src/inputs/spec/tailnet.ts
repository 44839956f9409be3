import { list, oneLine } from '../form.ts'
import { choice, webAddress, word } from '../forms.ts'
import type { InputSpec } from '../spec.ts'
import { readNodeName, readTag, readVersion } from '../tailnet.ts'

/** How the runner comes into the private network of the host. */
export const tailnet = {
  tailnet: {
    group: 'tailnet',
    description:
      'Whether to join a tailnet: `auto` joins when credentials are given, and uses the one that the runner is already in when that shows the host.',
    default: 'auto',
    form: choice(['auto', 'join', 'existing', 'off']),
  },
  'tailnet-authkey': {
    group: 'tailnet',
    description: 'An auth key to join with: one of three ways, of which only one may be given.',
    secret: true,
    form: word,
  },
  'tailnet-client-id': {
    group: 'tailnet',
    description:
      'With `tailnet-client-secret` the OAuth client, without it the federated identity (OIDC, needs `permissions: id-token: write`) to join with.',
    form: word,
  },
  'tailnet-client-secret': {
    group: 'tailnet',
    description: 'The secret of the OAuth client.',
    secret: true,
    form: word,
  },
  'tailnet-audience': {
    group: 'tailnet',
    description: 'The audience of the token, for workload identity (OIDC).',
    otherwise: '`api.tailscale.com/<client id>`',
    form: word,
  },
  'tailnet-tags': {
    group: 'tailnet',
    description: 'The tags of the node that the runner becomes. An auth key has tags of its own.',
    default: 'tag:ci',
    form: list('', readTag, { commas: true }),
  },
  'tailnet-login-server': {
    group: 'tailnet',
    description: 'The control server, for Headscale.',
    otherwise: "Tailscale's own",
    form: webAddress,
  },
  'tailnet-hostname': {
    group: 'tailnet',
    description: 'The name of the node that the runner becomes.',
    otherwise: '`gha-<run id>-<n>`',
    form: oneLine('', '', readNodeName),
  },
  'tailnet-version': {
    group: 'tailnet',
    description: 'The version of Tailscale to download, or `latest`.',
    otherwise: 'pinned by this release of the action',
    form: oneLine('', '', readVersion),
  },
  'tailnet-mirror': {
    group: 'tailnet',
    description:
      'Where to download from, laid out as `https://pkgs.tailscale.com`; what comes is verified all the same.',
    otherwise: '`https://pkgs.tailscale.com`',
    form: webAddress,
  },
  'tailnet-binary': {
    group: 'tailnet',
    description: 'A folder on the runner that holds `tailscale` and `tailscaled`; nothing is downloaded then.',
    form: word,
  },
  'tailnet-api-url': {
    group: 'tailnet',
    description: "The API that gives out keys, where it is not Tailscale's own.",
    otherwise: '`https://api.tailscale.com`',
    form: webAddress,
  },
} as const satisfies Record<string, InputSpec>
