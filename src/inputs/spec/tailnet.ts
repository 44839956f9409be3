import { list } from '../form.ts'
import { choice, webAddress, word } from '../forms.ts'
import type { InputSpec } from '../spec.ts'

const noTailnet = 'joining a tailnet is not built yet'

/** How the runner comes into the private network of the host. */
export const tailnet = {
  tailnet: {
    group: 'tailnet',
    description:
      'Whether to join a tailnet: `auto` joins when credentials are given and uses the one that the runner is already in.',
    default: 'auto',
    form: choice(['auto', 'join', 'existing', 'off'], {
      join: noTailnet,
      existing: 'using the tailnet of the runner is not built yet',
    }),
  },
  'tailnet-authkey': {
    group: 'tailnet',
    description: 'An auth key to join with: one of three ways, of which only one may be given.',
    secret: true,
    pending: noTailnet,
    form: word,
  },
  'tailnet-client-id': {
    group: 'tailnet',
    description: 'The OAuth client, or with `tailnet-audience` the federated identity, to join with.',
    pending: noTailnet,
    form: word,
  },
  'tailnet-client-secret': {
    group: 'tailnet',
    description: 'The secret of the OAuth client.',
    secret: true,
    pending: noTailnet,
    form: word,
  },
  'tailnet-audience': {
    group: 'tailnet',
    description: 'The audience of the token, for workload identity (needs `permissions: id-token: write`).',
    pending: noTailnet,
    form: word,
  },
  'tailnet-tags': {
    group: 'tailnet',
    description: 'The tags of the node that the runner becomes.',
    default: 'tag:ci',
    pending: noTailnet,
    form: list('', (text) => text, { commas: true }),
  },
  'tailnet-login-server': {
    group: 'tailnet',
    description: 'The control server, for Headscale.',
    otherwise: "Tailscale's own",
    pending: noTailnet,
    form: webAddress,
  },
  'tailnet-hostname': {
    group: 'tailnet',
    description: 'The name of the node that the runner becomes.',
    otherwise: '`gha-<run id>-<n>`',
    pending: noTailnet,
    form: word,
  },
  'tailnet-version': {
    group: 'tailnet',
    description: 'The version of Tailscale to download.',
    otherwise: 'pinned by this release of the action',
    pending: noTailnet,
    form: word,
  },
  'tailnet-binary': {
    group: 'tailnet',
    description: 'A folder on the runner that holds `tailscale` and `tailscaled`; nothing is downloaded then.',
    pending: noTailnet,
    form: word,
  },
  'tailnet-api-url': {
    group: 'tailnet',
    description: "The API of the control server, where it is not Tailscale's own.",
    pending: noTailnet,
    form: webAddress,
  },
} as const satisfies Record<string, InputSpec>
