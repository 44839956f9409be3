import { unlessAborted } from '../abort.ts'
import { Deadline, humanDuration, sleep } from '../clock.ts'
import { DeployError } from '../errors.ts'
import type { Log } from '../log.ts'
import { runTool, type ToolResult } from '../runner/exec.ts'
import { ApiSilent, type Issuer, keyFor } from './credentials.ts'
import { Daemon } from './daemon.ts'
import { existingTailnet } from './existing.ts'
import type { Status } from './local-api.ts'
import { TailnetNetwork } from './network.ts'
import type { TailnetOptions } from './options.ts'

export interface JoinContext extends Issuer {
  readonly log: Log
  /** The hosts that have to be reached, by which it is known whether the runner's own tailnet is the right one. */
  readonly hosts: readonly string[]
  readonly timeoutMs: number
  /** Where the daemon lives, for whoever has to tidy up after us. */
  readonly remember: (folder: string) => void
}

/** A tailnet that a run is in. What was joined is left again; what was there before is not touched. */
export interface Tailnet extends AsyncDisposable {
  readonly network: TailnetNetwork
  /** One line: as whom, by what. */
  readonly summary: string
}

/** Joins, or finds what the runner is in already; undefined when neither was asked for. */
export async function joinTailnet(options: TailnetOptions, context: JoinContext): Promise<Tailnet | undefined> {
  const { mode, credentials } = options
  if (mode === 'off') return undefined
  const found = mode === 'join' ? undefined : await existingTailnet(options.hostSocket, context.hosts)
  const wanted = found !== undefined && (mode === 'existing' || credentials === undefined || found.knowsHosts)
  if (wanted) {
    const { api, status } = found
    context.log.info('The tailnet of the runner itself is used, and not touched.')
    return {
      network: new TailnetNetwork(api, 'tailscale'),
      summary: `the runner's own, as ${describe(status)}`,
      [Symbol.asyncDispose]: async () => {},
    }
  }
  if (mode === 'existing') throw noTailnet(options.hostSocket)
  if (credentials === undefined) return undefined
  return await joinAnew(options, context, found !== undefined)
}

async function joinAnew(options: TailnetOptions, context: JoinContext, beside: boolean): Promise<Tailnet> {
  const { log, signal, remember } = context
  const uploadLogs = options.loginServer === ''
  const daemon = await Daemon.start(options.binary, { log, signal, remember, beside, uploadLogs })
  try {
    const kind = await logIn(daemon, options, context)
    const status = await daemon.api.status()
    return {
      network: new TailnetNetwork(daemon.api, `${daemon.programs}/tailscale`),
      summary: `as ${describe(status)}, by ${kind}`,
      [Symbol.asyncDispose]: async () => await daemon[Symbol.asyncDispose](),
    }
  } catch (error) {
    await daemon[Symbol.asyncDispose]()
    throw error
  }
}

/** A key for each try, since one that was used may be worth nothing the second time. */
async function logIn(daemon: Daemon, options: TailnetOptions, context: JoinContext): Promise<string> {
  const { log, signal, timeoutMs } = context
  const deadline = new Deadline(timeoutMs)
  for (let attempt = 1; ; attempt++) {
    let failure: DeployError
    try {
      const key = await keyFor(options, context)
      const seconds = Math.ceil(Math.max(5_000, Math.min(deadline.left, 45_000)) / 1_000)
      const said = await daemon.withFile(key.secret.reveal(), (file) =>
        // The tool ends with its daemon.
        unlessAborted(up(daemon, options, file, seconds), signal),
      )
      if (said.code === 0) return key.kind
      await key.revoke()
      failure = await refused(daemon, options, said, seconds)
      if (!(failure instanceof NoAnswer)) throw failure
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof ApiSilent) && !(error instanceof NoAnswer)) throw error
      failure = error
    }
    if (deadline.left < 5_000 || attempt === 5) throw failure
    log.info(`${failure.what} ${failure.why} Trying again.`)
    await sleep(attempt * 1_000, signal)
  }
}

async function up(daemon: Daemon, options: TailnetOptions, file: string, seconds: number): Promise<ToolResult> {
  return await runTool(`${daemon.programs}/tailscale`, [
    ...[`--socket=${daemon.api.socketPath}`, 'up', `--auth-key=file:${file}`, `--hostname=${options.hostname}`],
    // Nobody comes in; and neither the name servers nor the routes of the runner change.
    ...['--shields-up', '--accept-dns=false', '--accept-routes', '--reset', `--timeout=${seconds}s`],
    ...(options.loginServer === '' ? [] : [`--login-server=${options.loginServer}`]),
  ])
}

/** Nobody said no: another try may get an answer. */
class NoAnswer extends DeployError {}

async function refused(
  daemon: Daemon,
  options: TailnetOptions,
  { stderr, stdout }: ToolResult,
  seconds: number,
): Promise<DeployError> {
  const status: Partial<Status> = await daemon.api.status().catch(() => ({}))
  const said = (stderr || stdout).trim().split('\n').at(-1) ?? ''
  const detail = await daemon.lastWords()
  if (status.BackendState === 'NeedsMachineAuth') {
    return new DeployError('HD-TAILNET-04', 'The tailnet wants somebody to approve this node.', {
      why: 'Device approval is on, and the key is not pre-approved.',
      fix: 'Create the auth key as pre-approved, or join by an OAuth client or by OIDC: their keys are.',
      detail,
    })
  }
  const server = options.loginServer || 'Tailscale'
  const no = /backend error|invalid key|expired|already used|not valid|requested tags|unauthori[sz]ed/i
  const Kind = no.test(stdout + stderr) ? DeployError : NoAnswer
  return new Kind('HD-TAILNET-04', `${server} did not let the runner into the tailnet.`, {
    why: `It said: ${said || `nothing for ${humanDuration(seconds * 1_000)}`}.`.replace(/\.\.$/, '.'),
    fix: 'If the key is expired, used up or revoked, make another one, ephemeral and reusable, and replace the secret; or join by OIDC, which needs none.',
    detail,
  })
}

function noTailnet(socket: string): DeployError {
  return new DeployError('HD-TAILNET-07', 'This runner is in no tailnet.', {
    why: `\`tailnet: existing\` was asked for, and no tailscaled that is logged in answers at ${socket}.`,
    fix: 'Join one on the runner, or give credentials and set `tailnet: join` or `auto`.',
  })
}

function describe({ Self }: Status): string {
  const name = (Self?.DNSName ?? '').replace(/\.$/, '') || Self?.HostName || 'a node without a name'
  const tags = Self?.Tags ?? []
  return `${name} (${[Self?.TailscaleIPs?.[0], ...tags].filter(Boolean).join(', ')})`
}
