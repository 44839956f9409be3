import { forgeOf } from './forge.ts'
import type { Case } from './rules.ts'
import type { InputName } from './spec.ts'

const ways: readonly InputName[] = ['tailnet-authkey', 'tailnet-client-id', 'tailnet-client-secret', 'tailnet-audience']

/** Whether a host may be reached through a tailnet, whose policy can let somebody in without any key. */
export function mayUseTailnet({ values, has }: Pick<Case, 'values' | 'has'>): boolean {
  return values.tailnet !== 'off' && (values.tailnet !== 'auto' || ways.some(has))
}

/** There is exactly one way to authenticate, and everything that was given has an effect. */
export function checkTailnet(about: Case): void {
  const { values, problems, has } = about
  if (problems.concerns('tailnet')) return
  const given = ways.filter(has)
  if (values.tailnet === 'off' || values.tailnet === 'existing') {
    for (const name of given)
      problems.add(name, `has no effect with \`tailnet: ${values.tailnet}\``, 'Leave one of the two out.')
    if (values.tailnet === 'off') checkKeysOf(about)
    return
  }
  checkWay(about)
  const authkey = has('tailnet-authkey')
  if (authkey && has('tailnet-tags'))
    problems.add('tailnet-tags', 'has no effect with an auth key', 'Give the tags to the key when you make it.')
  if (authkey && has('tailnet-api-url'))
    problems.add('tailnet-api-url', 'has no effect with an auth key', 'Leave it out: it is where keys are made.')
  if (!authkey && has('tailnet-client-id') && has('tailnet-login-server') && !has('tailnet-api-url')) {
    problems.add(
      'tailnet-api-url',
      'is missing',
      'With a control server of your own say where keys are made, or use `tailnet-authkey`.',
    )
  }
  if (!authkey && values['tailnet-tags'].length === 0 && has('tailnet-client-id') && !problems.concerns('tailnet-tags'))
    problems.add('tailnet-tags', 'is empty', 'Keys made by OAuth or OIDC need a tag, such as `tag:ci`.')
  for (const name of ['tailnet-version', 'tailnet-mirror'] as const)
    if (has('tailnet-binary') && has(name))
      problems.add(name, 'has no effect with `tailnet-binary`', 'Leave one of the two out.')
}

function checkWay({ values, env, problems, has }: Case): void {
  const [authkey, id, secret] = (['tailnet-authkey', 'tailnet-client-id', 'tailnet-client-secret'] as const).map(has)
  const audience = has('tailnet-audience')
  if (authkey && (id || secret || audience)) {
    const others = ways.slice(1).filter(has).join('` and `')
    problems.add(
      'tailnet-authkey',
      `is given, and so is \`${others}\``,
      'Choose one way to join; leave the others out.',
    )
    return
  }
  if (secret && audience) {
    problems.add(
      'tailnet-client-secret',
      'is given, and so is `tailnet-audience`',
      'The secret is for an OAuth client, the audience for OIDC: choose one.',
    )
    return
  }
  if ((secret || audience) && !id) {
    problems.addAbsent('tailnet-client-id', 'is empty', 'Give the id of the OAuth client or federated identity.')
  }
  if (authkey && /^tskey-(client|api)-/.test(values['tailnet-authkey'])) {
    const kind = values['tailnet-authkey'].startsWith('tskey-api')
      ? 'an API access token'
      : 'the secret of an OAuth client'
    problems.add(
      'tailnet-authkey',
      `holds ${kind}`,
      'An auth key begins with `tskey-auth-`. A secret goes into `tailnet-client-secret`.',
    )
  }
  // An id alone means OIDC; without the permission it is far more likely that the secret is what is missing.
  if (id && !secret && !env.ACTIONS_ID_TOKEN_REQUEST_URL) {
    const { name, oidc } = forgeOf(env)
    problems.addAbsent(
      'tailnet-client-secret',
      'is empty, and this job may not ask for an OIDC token',
      `For an OAuth client create that secret; ${oidc ? `for OIDC give the ${oidc}` : `${name} has no OIDC for jobs`}. Forks get neither.`,
    )
  }
  if (values.tailnet === 'join' && !authkey && !id && !secret && !audience) {
    problems.addAbsent(
      'tailnet-authkey',
      'is empty, and so are the other ways to join',
      'Give one, or leave `tailnet` out.',
    )
  }
}

function checkKeysOf({ values, problems }: Case): void {
  for (const name of ['host-key', 'jump-host-key'] as const)
    if (values[name].mode === 'tailnet')
      problems.add(name, 'is `tailnet`, with `tailnet: off`', 'Give the key itself, or use a tailnet.')
}
