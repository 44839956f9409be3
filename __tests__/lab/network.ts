import { attempt, run } from './command.ts'

/** The lab's network: a switch that leads nowhere, hosts on it, and this machine at .2 by one more cable. */
const subnet = '10.77.0'
export const netns = (name: string) => `homelab-${name}`
const switchboard = netns('switch')
const cable = 'homelab0'

export const addressOf = (number: number) => `${subnet}.${number}`

/** What a firewall drops silently, and a pulled plug too: no RST, no ICMP, the carrier stays. */
export type Direction = 'in' | 'out' | 'both'

const filter = `table bridge lab {
  set from { type ifname; }
  set to { type ifname; }
  chain arriving { type filter hook prerouting priority 0; iifname @from drop; }
  chain leaving { type filter hook postrouting priority 0; oifname @to drop; }
}
`

export async function networkUp(): Promise<void> {
  const taken = await attempt(['ip', '-o', 'route', 'get', addressOf(1)])
  if (taken.stdout.includes(`src ${subnet}.`)) throw new Error(`${subnet}.0/24 is in use on this machine`)
  await run(['ip', 'netns', 'add', switchboard])
  await run(['ip', '-batch', '-'], {
    input: `link add ${cable} type veth peer name root netns ${switchboard}
addr add ${addressOf(2)}/24 dev ${cable}
link set ${cable} up
`,
  })
  await run(['ip', '-n', switchboard, '-batch', '-'], {
    input: `link set lo up
link add br0 type bridge
addr add ${addressOf(1)}/24 dev br0
link set br0 up
link set root master br0 up
`,
  })
  await run(['ip', 'netns', 'exec', switchboard, 'nft', '-f', '-'], { input: filter })
}

/** A network namespace with one cable to the switch; hosts boot in it, and a test may play a runner in one. */
export async function plug(name: string, number: number): Promise<void> {
  const space = netns(name)
  // A fixed hardware address: with a new one after each boot, a stale ARP entry would cost seconds.
  const mac = `02:00:0a:4d:00:${number.toString(16).padStart(2, '0')}`
  await run(['ip', 'netns', 'add', space])
  await run(['ip', '-n', space, '-batch', '-'], {
    input: `link set lo up
link add eth0 address ${mac} type veth peer name port${number} netns ${switchboard}
addr add ${addressOf(number)}/24 dev eth0
link set eth0 up
route add default via ${addressOf(1)}
`,
  })
  await run(['ip', '-n', switchboard, 'link', 'set', `port${number}`, 'master', 'br0', 'up'])
}

export async function unplug(name: string, number: number): Promise<void> {
  // First the cable: the namespace itself may live a moment longer, as long as a process of it does.
  await attempt(['ip', '-n', switchboard, 'link', 'del', `port${number}`])
  await attempt(['ip', 'netns', 'del', netns(name)])
  await mend(number)
}

/** Seen from the host: `in` is what it would receive, `out` what it sends. */
export async function cut(number: number, direction: Direction): Promise<void> {
  if (direction !== 'in') await element('add', 'from', number)
  if (direction !== 'out') await element('add', 'to', number)
}

export async function mend(number: number): Promise<void> {
  await element('delete', 'from', number)
  await element('delete', 'to', number)
}

async function element(verb: 'add' | 'delete', set: 'from' | 'to', number: number): Promise<void> {
  const command = [
    'ip',
    'netns',
    'exec',
    switchboard,
    'nft',
    verb,
    'element',
    'bridge',
    'lab',
    set,
    `{ port${number} }`,
  ]
  if (verb === 'add') await run(command)
  else await attempt(command)
}

async function namespaces(): Promise<string[]> {
  const list = await run(['ip', 'netns', 'list'])
  return list
    .split('\n')
    .map((line) => line.split(' ')[0] as string)
    .filter((name) => name.startsWith(netns('')))
}

/** Everything of the above that this or an earlier run has left, the processes that live in it first. */
export async function networkDown(): Promise<void> {
  for (const name of await namespaces()) {
    const pids = (await attempt(['ip', 'netns', 'pids', name])).stdout.split('\n').filter(Boolean)
    for (const pid of pids) if (Number(pid) !== process.pid) await attempt(['kill', '-KILL', pid])
    await attempt(['ip', 'netns', 'del', name])
  }
  await attempt(['ip', 'link', 'del', cable])
}
