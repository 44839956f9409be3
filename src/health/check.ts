import { parseDuration } from '../clock.ts'

interface Common {
  /** As the user wrote it, for the summary. */
  readonly text: string
  readonly from: 'host' | 'runner'
  /** Milliseconds; absent where the inputs for all checks hold. */
  readonly within?: number
  readonly stable?: number
}

export type Check = Common &
  (
    | { readonly kind: 'http'; readonly url: string; readonly status: number; readonly body?: RegExp }
    | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
    | { readonly kind: 'unit'; readonly unit: string }
    | { readonly kind: 'container'; readonly service: string }
    | { readonly kind: 'log'; readonly of: string; readonly expected: RegExp }
    | { readonly kind: 'command'; readonly command: string; readonly expected?: string | RegExp }
  )

/** What one look at a check saw. */
export interface Sample {
  readonly healthy: boolean
  /** For people: `200 in 12 ms`, `activating (auto-restart)`. */
  readonly seen: string
  readonly latencyMs: number
  /** Changes when the thing was started anew: an invocation id, a restart count. */
  readonly incarnation: string
  /** It will not become healthy by waiting. */
  readonly final?: boolean
}

const kinds = [
  'http://…',
  'https://…',
  'tcp:HOST:PORT',
  'unit:NAME',
  'container:SERVICE',
  'log:NAME /re/',
  'command: …',
]

/** One line of `health`; a string says what is wrong with it. */
export function parseCheck(line: string): Check | string {
  const text = line.trim()
  const { rest, options, problem } = /^(command|log):/.test(text) ? commonOptions(text) : splitOptions(text)
  if (problem !== undefined) return problem
  const durations = readDurations(options)
  if (typeof durations === 'string') return durations
  const from = options.get('from')
  if (from !== undefined && from !== 'host' && from !== 'runner') return '`from` is `host` or `runner`'
  const allowed = ['within', 'stable', 'from', ...(/^https?:/.test(rest) ? ['status', 'body'] : [])]
  const unknown = [...options.keys()].find((key) => !allowed.includes(key))
  if (unknown !== undefined) return `it has no option \`${unknown}\`; there are ${allowed.join(', ')}`
  const common = { text, ...durations }
  if (/^https?:\/\//.test(rest)) return readUrl(rest, options, { ...common, ...(from && { from }) })
  const [, kind = '', argument = ''] = /^([a-z]+):\s*(.*)$/s.exec(rest) ?? []
  if (argument === '' || argument.startsWith('-'))
    return argument === '' ? `it is none of ${kinds.join(', ')}` : 'a name cannot begin with -'
  switch (kind) {
    case 'tcp':
      return readTcp(argument, common, from)
    case 'unit':
      return /^[\w@:.\\-]+$/.test(argument)
        ? onHost(from, {
            ...common,
            from: 'host',
            kind,
            unit: argument.includes('.') ? argument : `${argument}.service`,
          })
        : 'that is no unit name'
    case 'container':
      return /^([\w.-]+|\*)$/.test(argument)
        ? onHost(from, { ...common, from: 'host', kind, service: argument })
        : 'that is no service name'
    case 'log': {
      const [, of = '', source = ''] = /^(\S+)\s+\/(.+)\/$/s.exec(argument) ?? []
      const expected = readRegExp(source)
      if (source === '' || expected === undefined) return 'write it `log:NAME /regular expression/`'
      return /^[\w@:.\\-]+$/.test(of)
        ? onHost(from, { ...common, from: 'host', kind, of, expected })
        : 'that is no name of a unit or container'
    }
    case 'command':
      return readCommand(argument, common, from)
    default:
      return `it is none of ${kinds.join(', ')}`
  }
}

function onHost(from: string | undefined, check: Check): Check | string {
  return from === 'runner' ? 'this kind is asked on the host only' : check
}

function readUrl(
  address: string,
  options: ReadonlyMap<string, string>,
  common: { text: string; from?: 'host' | 'runner' },
): Check | string {
  if (!URL.canParse(address)) return 'that is no URL'
  const url = new URL(address)
  const status = options.get('status') ?? '200'
  if (!/^[1-5]\d\d$/.test(status)) return '`status` is a number such as 200'
  const source = options.get('body')
  const body = source === undefined ? undefined : readRegExp(source.replace(/^\/(.*)\/$/s, '$1'))
  if (source !== undefined && (body === undefined || !/^\/.+\/$/s.test(source)))
    return 'write `body=/regular expression/`'
  const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  return {
    ...common,
    kind: 'http',
    url: url.href,
    status: Number(status),
    from: common.from ?? (local ? 'host' : 'runner'),
    ...(body && { body }),
  }
}

function readTcp(argument: string, common: { text: string }, from: 'host' | 'runner' | undefined): Check | string {
  const [, host = '', port = ''] = /^(\[[\da-f:.]+\]|[\w.-]+):(\d{1,5})$/i.exec(argument) ?? []
  if (host === '' || Number(port) < 1 || Number(port) > 65_535) return 'write it `tcp:HOST:PORT`'
  const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host)
  return {
    ...common,
    kind: 'tcp',
    host: host.replace(/^\[|\]$/g, ''),
    port: Number(port),
    from: from ?? (local ? 'host' : 'runner'),
  }
}

function readCommand(argument: string, common: { text: string }, from: 'host' | 'runner' | undefined): Check | string {
  const at = argument.lastIndexOf(' => ')
  const command = (at < 0 ? argument : argument.slice(0, at)).trim()
  const wanted = at < 0 ? undefined : argument.slice(at + 4).trim()
  const source = /^\/(.+)\/$/s.exec(wanted ?? '')?.[1]
  const expected = source === undefined ? wanted : readRegExp(source)
  if (source !== undefined && expected === undefined) return 'the regular expression behind => cannot be read'
  return { ...common, kind: 'command', command, from: from ?? 'host', ...(expected === undefined ? {} : { expected }) }
}

/** Options stand behind the argument, `key=value`; a value between slashes may hold spaces. */
function splitOptions(text: string): { rest: string; options: Map<string, string>; problem?: string } {
  const options = new Map<string, string>()
  let rest = text
  for (let found = option(rest); found !== undefined; found = option(rest)) {
    options.set(found.key, found.value)
    rest = found.rest
  }
  return { rest, options }
}

function option(text: string): { rest: string; key: string; value: string } | undefined {
  const [, rest, key, value] = /^(.*?\S)\s+([a-z]+)=(\/(?:[^/\\]|\\.)+\/|\S+)$/s.exec(text) ?? []
  return rest === undefined || key === undefined || value === undefined ? undefined : { rest, key, value }
}

/** In a command, or an expression for a log, only our three options are ours: `X=1` at its end may well belong to it. */
function commonOptions(text: string): ReturnType<typeof splitOptions> {
  const options = new Map<string, string>()
  let rest = text
  for (
    let found = option(rest);
    found !== undefined && ['within', 'stable', 'from'].includes(found.key);
    found = option(rest)
  ) {
    options.set(found.key, found.value)
    rest = found.rest
  }
  return { rest, options }
}

function readDurations(options: ReadonlyMap<string, string>): { within?: number; stable?: number } | string {
  const found: { within?: number; stable?: number } = {}
  for (const key of ['within', 'stable'] as const) {
    const value = options.get(key)
    if (value === undefined) continue
    const ms = parseDuration(value)
    if (ms === undefined) return `\`${key}=${value}\` is no duration such as 30s`
    found[key] = ms
  }
  return found
}

function readRegExp(source: string): RegExp | undefined {
  try {
    return new RegExp(source, 'm')
  } catch {
    return undefined
  }
}
