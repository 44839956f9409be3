import { ConnectionLost, DeployError } from '../errors.ts'
import type { Followed } from '../runner/follow.ts'
import { assign, quote, sh } from '../shell.ts'
import { reasonOf } from '../strategies/colmena/output.ts'
import { compareSystems } from '../strategies/nix/foresee-runner.ts'
import type { Member } from '../strategies/nix/runner-build.ts'
import { titleOn } from './acts.ts'
import type { Colmena } from './colmena.ts'
import type { Context } from './context.ts'
import type { Aimed, Begun, Planned } from './fleet.ts'
import { refuseSecretsInStore } from './hive-store.ts'

/** Builds the systems on the runner, and copies them to the nodes, where nothing changes by that. */
export async function pushSystems(context: Context, members: readonly Planned[]): Promise<void> {
  const { colmena, plan, step } = context
  if (colmena === undefined || plan.mode !== 'deploy') return
  const nodes = members.map(({ target }) => colmena.nodeOf(target))
  await step('Build and push', async ({ note }) => {
    await refuseSecretsInStore(nodes, plan.hive?.files ?? [], plan.sync.source)
    const answer = await colmena.deploy(['apply', 'push'], members, context, note)
    if (answer.code !== 0) throw notPushed(answer)
  })
}

/** For a plan: the systems are built on the runner, and compared with what runs. Of a node that builds for itself only the name is known. */
export async function foreseeSystems(
  { plan, network }: Context,
  colmena: Colmena,
  members: readonly Aimed[],
  places: readonly Member[],
): Promise<string[][]> {
  const { source } = plan.sync
  const nodes = members.map(({ target }) => colmena.nodeOf(target))
  await refuseSecretsInStore(nodes, plan.hive?.files ?? [], source)
  const isLocal = nodes.map((node) => !node.buildOnTarget && !plan.hive?.args.includes('--build-on-target'))
  const local = members.filter((_, index) => isLocal[index])
  if (local.length > 0) {
    const answer = await colmena.deploy(['build'], local, { network }, () => {})
    if (answer.code !== 0) throw notPushed(answer)
  }
  return await Promise.all(
    nodes.map(({ toplevel }, index) =>
      compareSystems(toplevel, places[index] as Member, isLocal[index] ? source : undefined),
    ),
  )
}

function notPushed({ tail }: Followed): DeployError {
  const why = reasonOf(tail)
  const untrusted = /lacks a (valid )?signature|trusted-users|is not trusted/i.test(tail)
  return new DeployError('HD-HIVE-07', 'colmena could not build the systems, or not copy them to the nodes.', {
    why,
    fix: untrusted
      ? 'The node takes no unsigned store path from this user: deploy as root (`deployment.targetUser`), name the user in `nix.settings.trusted-users` of the node, or build on it (`deployment.buildOnTarget`).'
      : 'What colmena and Nix said is in the log of this step. Nothing was changed on the nodes.',
    detail: tail,
  })
}

/** The keys of a node, uploaded while it waits for them in the middle of its change. */
export async function uploadKeys(context: Context, member: Begun): Promise<void> {
  const keys = context.colmena?.nodeOf(member.target).keys ?? []
  const native = context.plan.hive?.native === true && context.plan.mode === 'deploy'
  if (context.colmena === undefined || keys.length === 0 || native || context.plan.mode === 'rollback') return
  const { colmena, plan } = context
  await context.step(titleOn(member, 'Upload keys'), async ({ note }) => {
    const owners = keys.flatMap(({ user, group }): Account[] => [
      ['passwd', user],
      ['group', group],
    ])
    const lacking = await asked(member, 'keys', owners)
    if (lacking === undefined) return
    // Owners that only the new system brings: as in a deploy of colmena itself, its activation gives them the keys.
    const early = plan.mode === 'deploy' && lacking.length > 0
    const verb = early ? ['apply', 'dry-activate', '--force-replace-unknown-profiles'] : ['upload-keys']
    const answer = await colmena.deploy(verb, [member], context, note)
    // With keys for after the activation it ends in an error, once the others are there; the host looks itself.
    if (answer.code !== 0 && !(early && keys.some(({ late }) => late))) throw notUploaded(answer, keys)
    note(`${keys.length} ${keys.length === 1 ? 'key' : 'keys'}`)
    await answered(member, 'keys')
  })
}

/** Keys that colmena brings after the activation: their owners may be users of the new system. */
export async function uploadLateKeys(context: Context, member: Begun): Promise<void> {
  const { colmena, plan } = context
  const keys = colmena?.nodeOf(member.target).keys ?? []
  const late = keys.filter((key) => key.late)
  if (colmena === undefined || late.length === 0 || plan.mode !== 'deploy' || plan.hive?.native) return
  await context.step(titleOn(member, 'Upload keys for after the activation'), async ({ note }) => {
    const answer = await colmena.deploy(['upload-keys'], [member], context, note)
    if (answer.code !== 0) throw notUploaded(answer, late)
  })
}

function notUploaded({ tail }: Followed, keys: readonly { readonly name: string }[]): DeployError {
  return new DeployError('HD-HIVE-06', `The keys ${keys.map(({ name }) => name).join(', ')} could not be uploaded.`, {
    why: reasonOf(tail),
    fix: 'Check `deployment.keys`: a `keyFile` has to be the absolute path of a file that is there (`secret-files` writes one), a `keyCommand` may not ask for anything.',
    detail: tail,
  })
}

/** `activation: native`: colmena activates over its own connection, while the host waits with the way back at hand. */
export async function activateNatively(context: Context, member: Begun): Promise<void> {
  const { colmena, plan } = context
  if (colmena === undefined || plan.mode !== 'deploy' || !plan.hive?.native) return
  await context.step(titleOn(member, 'Activate by colmena'), async ({ note }) => {
    if ((await asked(member, 'switch')) === undefined) return
    const verb = ['apply', 'switch', '--force-replace-unknown-profiles']
    const answer = await colmena.deploy(verb, [member], context, note)
    if (answer.code !== 0) {
      throw new DeployError('HD-HIVE-08', 'colmena could not activate the new system.', {
        why: reasonOf(answer.tail),
        fix: 'With `activation: guarded` units that fail are a matter of `health`, and a lost connection does not stop an activation.',
        detail: answer.tail,
      })
    }
    await answered(member, 'switch')
  })
}

type Account = readonly ['passwd' | 'group', string]

/** Waits until the host waits for the runner; of these accounts, says which it lacks. Undefined when its change was ended meanwhile. */
async function asked(
  { link, change }: Begun,
  what: string,
  accounts: readonly Account[] = [],
): Promise<readonly string[] | undefined> {
  const looks = accounts.map(
    ([database, name]) => `getent ${database} ${quote(name)} >/dev/null 2>&1 || echo ${quote(`lacks ${name}`)} >&3\n`,
  )
  const script = `${assign({ work: `${change.places.state}/work`, what })}${wait}${looks.join('')}`
  const { text } = await link.host.run(script, { label: 'Waiting for the host', quiet: true, timeoutMs: 60_000 })
  const lines = text.split('\n')
  return lines.includes('waits') ? lines.filter((line) => line.startsWith('lacks ')) : undefined
}

const wait = sh`
turns=0
until [ -e "$work/asked.$what" ] || [ -e "$work/verdict" ] || [ ! -e "$work/open" ] || [ "$turns" -ge 150 ]; do sleep 0.2; turns=$((turns + 1)); done
[ ! -e "$work/open" ] || [ ! -e "$work/asked.$what" ] || echo waits >&3
`

/** What colmena did may have cut the connection. */
async function answered(member: Begun, what: string): Promise<void> {
  const script = `: >${quote(`${member.change.places.state}/work/done-by-runner.${what}`)}`
  const tell = async () =>
    await member.link.host.run(script, { label: 'Telling the host', quiet: true, timeoutMs: 60_000 })
  await tell().catch(async (error: unknown) => {
    if (!(error instanceof ConnectionLost)) throw error
    await member.guard.reconnect()
    await tell()
  })
}
