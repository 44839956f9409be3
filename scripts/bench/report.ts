import { median } from '../../src/report/median.ts'

export interface Sample {
  readonly candidate: string
  readonly phase: string
  readonly rtt: number
  readonly ms: number
  readonly connections: number
  readonly roundTrips: number
  readonly bytesUp: number
  readonly bytesDown: number
}

export interface SyncSample {
  readonly work: string
  readonly method: string
  readonly rtt: number
  readonly ms: number
  readonly bytesUp: number
}

/** One row a candidate: milliseconds, and how many times as long as the first candidate it took. */
export function table(samples: readonly Sample[], phases: readonly string[], rtt: number): string {
  const here = samples.filter((sample) => sample.rtt === rtt)
  const names = [...new Set(here.map(({ candidate }) => candidate))].sort((a, b) => rank(a) - rank(b))
  const of = (candidate: string | undefined, phase: string, value: keyof Sample = 'ms') =>
    median(here.filter((one) => one.candidate === candidate && one.phase === phase).map((one) => Number(one[value])))
  const rows = names.map((name) => {
    const times = phases.map((phase) => {
      const ms = of(name, phase)
      return `${Math.round(ms).toLocaleString('en')} (${(ms / of(names[0], phase)).toFixed(2)} ×)`
    })
    const counts = phases.map((phase) => Math.round(of(name, phase, 'roundTrips'))).join(' / ')
    return [name, ...times, `${of(name, '10 changed', 'connections')}`, counts]
  })
  const head = [`whole deploy, ${rtt} ms round trip`, ...phases, 'TCP connections', 'round trips']
  return markdown([head, ...rows])
}

const rank = (name: string) => (name === 'homelab-deploy' ? 0 : name.startsWith('homelab-deploy') ? 1 : 2)

export function syncTable(samples: readonly SyncSample[]): string {
  const keys = [...new Set(samples.map(({ work, rtt }) => JSON.stringify([work, rtt])))]
  const methods = [...new Set(samples.map(({ method }) => method))]
  const rows = keys.map((key) => {
    const [work, rtt] = JSON.parse(key) as [string, number]
    const cells = methods.map((method) => {
      const own = samples.filter((one) => one.work === work && one.rtt === rtt && one.method === method)
      return `${Math.round(median(own.map(({ ms }) => ms)))} ms, ${(median(own.map(({ bytesUp }) => bytesUp)) / 1e6).toFixed(2)} MB up`
    })
    return [work, `${rtt} ms`, ...cells]
  })
  return markdown([['what is sent', 'round trip', ...methods], ...rows])
}

function markdown([head = [], ...rows]: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n')
}
