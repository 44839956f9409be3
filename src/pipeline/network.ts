import type { Network } from '../remote/network.ts'
import { joinTailnet } from '../tailnet/join.ts'
import type { Context } from './context.ts'

/** The run from within the tailnet, where one is asked for; it is left again when the run ends. */
export async function enterNetwork(context: Context, open: AsyncDisposableStack): Promise<Context> {
  const { plan, step } = context
  if (plan.tailnet.mode === 'off' || (plan.tailnet.mode === 'auto' && plan.tailnet.credentials === undefined)) {
    return await enter(context, open, () => {})
  }
  return await step('Join the tailnet', async ({ note }) => await enter(context, open, note))
}

async function enter(context: Context, open: AsyncDisposableStack, note: (text: string) => void): Promise<Context> {
  const network = await tailnetOf(context, open, note)
  return network === undefined ? context : { ...context, network }
}

/** `post` comes this way too, when something was left in the middle. */
export async function tailnetOf(
  context: Pick<Context, 'plan' | 'log' | 'idToken' | 'rememberTailnet'> & { readonly signal?: AbortSignal },
  open: AsyncDisposableStack,
  note: (text: string) => void,
): Promise<Network | undefined> {
  const { plan, log, signal, idToken, rememberTailnet: remember } = context
  const hosts = plan.targets.map(({ address, jump }) => (jump?.address ?? address).host)
  // To join takes a few seconds, also where the hosts have to answer at once.
  const timeoutMs = Math.max(30_000, ...plan.targets.map(({ connectTimeout }) => connectTimeout))
  const tailnet = await joinTailnet(plan.tailnet, { log, signal, idToken, remember, hosts, timeoutMs })
  if (tailnet === undefined) return undefined
  open.use(tailnet)
  note(tailnet.summary)
  return tailnet.network
}
