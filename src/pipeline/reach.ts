import { DeployError } from '../errors.ts'
import { describeSystem, type Facts, probe } from '../remote/facts.ts'
import { SshHost } from '../remote/ssh-host.ts'
import { showAddress } from '../remote/target.ts'
import type { MachineRecord } from '../report/recorder.ts'
import type { Context } from './context.ts'
import { onAll, type Reached } from './fleet.ts'

/** Connects and learns all about the hosts that later decisions need; root when the inputs or the path ask for it. */
export async function reach(
  context: Context,
  open: AsyncDisposableStack,
  { all = onAll, refuse = refusePath }: { all?: typeof onAll; refuse?: typeof refusePath } = {},
): Promise<Reached[]> {
  const { plan, log, signal, recorder, network } = context
  const targets = plan.targets.map((target) => ({
    target,
    record: recorder.machine(showAddress(target.address)),
  }))
  const where = targets.map(({ target }) => showAddress(target.address)).join(', ')
  const connected = await all(context, `Connect to ${where}`, targets, async ({ target, record }, note) => {
    const connected = open.use(await SshHost.connect(target, { log, signal, hosted: plan.run.hosted, network }))
    record.hostKey = connected.hostKeyLine
    record.network = (await network.path?.((target.jump ?? target).address)) ?? ''
    if (target.jump) record.jump = showAddress(target.jump.address)
    const by = record.jump ? `by the jump host ${record.jump}` : ''
    note([`Host key ${connected.hostKey}`, by, record.network].filter(Boolean).join('; '))
    if (target.hostKey.mode === 'tailnet')
      log.info(`The tailnet vouches for it. To pin the key itself: ${connected.hostKeyLine}`)
    if (target.hostKey.mode === 'accept-new') {
      log.warning(
        `The key of ${connected.name} was accepted without being known (\`host-key: accept-new\`). Pin it: host-key: ${connected.hostKeyLine}`,
      )
    }
    return { target, record, host: connected }
  })
  return await all(context, 'Read facts', connected, async ({ target, record, host }, note) => {
    const facts = await learn(host, plan)
    record.system = describeSystem(facts)
    log.info(
      `Tools: ${Object.entries(facts.tools)
        .map(([name, { path, version }]) => [path || name, version].filter(Boolean).join(' '))
        .join(', ')}`,
    )
    note(`${record.system}; user ${facts.user.name}, sudo: ${facts.sudo}`)
    if (facts.engine.updaters.length > 0) {
      const by = facts.engine.updaters.join(', ')
      log.warning(
        `${host.name} also updates by itself (${by}), which would undo a rollback. Stop it, or leave this application out of it.`,
      )
    }
    if (Math.abs(facts.clockSkew) > 60)
      log.warning(`The clock of ${host.name} is ${facts.clockSkew} s off; its logs will not match those of this run.`)
    refuse(record, pathProblem(host, facts))
    return { target, record, host, facts, link: { host, others: open.use(new AsyncDisposableStack()) } }
  })
}

/** Another connection to a host of this run. It outlives a cancel: what has to be put back is put back over it. */
export async function connectAgain(
  { plan, log, signal, network }: Context,
  { target, host: first }: Reached,
): Promise<SshHost> {
  const host = await SshHost.connect(
    { ...target, connectTimeout: Math.min(target.connectTimeout, signal.aborted ? 2_000 : 20_000) },
    // After a cancel what is left to do has to be done; before it, a cancel ends this connection's work as well.
    { log, hosted: plan.run.hosted, network, signal: signal.aborted ? undefined : signal },
  )
  if (first.isRoot) await host.becomeRoot()
  return host
}

const ask = (host: SshHost, plan: Context['plan'], path: string) =>
  probe(host, { path: path || '~/', name: plan.name, versions: ['git', 'rsync', 'tar', 'uv'] })

/** The facts of the host, as the user that this run works as there. */
export async function learn(host: SshHost, plan: Context['plan']): Promise<Facts> {
  const { path } = plan.sync
  return await asWhom(host, await ask(host, plan, path), plan, path)
}

/**
 * Stays the user that logged in, unless everything is to run as root, or only root may write at the path. Who gives no path,
 * to look or to go back, means what was deployed: where this user has deployed nothing, that was root.
 */
async function asWhom(host: SshHost, facts: Facts, plan: Context['plan'], path: string): Promise<Facts> {
  const { sudo } = plan.safety
  const byRoot = plan.mode === 'status' || plan.mode === 'rollback' ? path === '' && !facts.deployed : false
  const wanted = sudo === 'always' || (sudo === 'auto' && (!facts.path.writable || byRoot) && facts.sudo === 'any')
  if (facts.sudo === 'root' || !wanted) return facts
  if (facts.sudo !== 'any') {
    throw new DeployError(
      'HD-SUDO-01',
      `${facts.user.name} may not run a shell as root on ${host.name} without a password.`,
      {
        why: '`sudo: always` runs everything on the host through sudo.',
        fix: `On the host put this line into /etc/sudoers.d/homelab-deploy (mode 0440, check it with \`visudo -c\`):\n  ${facts.user.name} ALL=(root) NOPASSWD: /bin/sh\nOr set \`sudo: auto\`, and let ${facts.user.name} own the path.`,
      },
    )
  }
  await host.becomeRoot()
  return await ask(host, plan, path)
}

function refusePath(_: MachineRecord, problem: DeployError | undefined): void {
  if (problem !== undefined) throw problem
}

function pathProblem(host: SshHost, { path, user }: Facts): DeployError | undefined {
  if (path.kind === 'other') {
    return new DeployError('HD-PATH-03', `${path.absolute} is not a directory on ${host.name}.`, {
      why: 'There is a file, a device or a broken link in its place.',
      fix: 'Choose another `path`, or move what is there away.',
    })
  }
  if (!path.writable) {
    return new DeployError('HD-PATH-04', `${user.name} may not write at ${path.existing} on ${host.name}.`, {
      why: `It belongs to ${path.owner || 'another user'}${path.existing === path.absolute ? '' : `, and ${path.absolute} does not exist yet`}.`,
      fix: `On the host run \`sudo install -d -o ${user.name} ${path.absolute}\`, deploy as the owner, or allow sudo without a password.`,
    })
  }
  return undefined
}
