import { isIPv4, isIPv6 } from 'node:net'
import type { Address } from '../remote/target.ts'
import type { Refuse } from './form.ts'

const shape = 'Write it as `[user@]host[:port]`, such as `deploy@nas.example.org:2222` or `root@[fd7a::1]:22`.'

/** `[user@]host[:port]`. Without a user it is root, as a deploy usually needs; without a port it is 22. */
export function readAddress(text: string, refuse: Refuse): Address | undefined {
  if (/^[a-z+]+:\/\//i.test(text)) return refuse('is a URL', shape, text)
  if (text.startsWith('-')) return refuse('begins with `-`', shape, text)
  if (/\s/.test(text)) return refuse('holds a space', `${shape} Several hosts go on lines of their own.`, text)

  const at = text.lastIndexOf('@')
  const user = at < 0 ? 'root' : text.slice(0, at)
  // Nothing here needs quoting in any shell, whoever forgets it.
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$/.test(user)) return refuse('holds no valid user name', shape, text)

  const place = splitPort(text.slice(at + 1))
  if (place === undefined) return refuse('holds no valid host', shape, text)
  const host = readHost(place.host)
  if (host === undefined) return refuse('holds no valid host', shape, text)
  const port = place.port === undefined ? 22 : readPort(place.port)
  if (port === undefined) return refuse('holds no valid port', `${shape} A port is a number from 1 to 65535.`, text)
  return { user, host, port }
}

/** An IPv6 address with a port stands in brackets; alone it may do without. */
function splitPort(text: string): { host: string; port?: string } | undefined {
  if (isIPv6(text)) return { host: text }
  const parts = /^(?:\[(?<v6>[^[\]]+)\]|(?<name>[^:[\]]+))(?::(?<port>.*))?$/.exec(text)?.groups
  if (parts === undefined) return undefined
  if (parts.v6 !== undefined && !isIPv6(parts.v6)) return undefined
  return { host: parts.v6 ?? parts.name ?? '', ...(parts.port !== undefined && { port: parts.port }) }
}

function readHost(text: string): string | undefined {
  const host = text.toLowerCase()
  if (isIPv6(host)) return /^[0-9a-f:.]+(%[a-z0-9_.-]+)?$/.test(host) ? host : undefined
  if (/^[\d.]+$/.test(host)) return isIPv4(host) ? host : undefined
  const name = host.replace(/\.$/, '')
  const labels = name.split('.')
  const sound = name.length <= 253 && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
  return sound ? name : undefined
}

function readPort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? port : undefined
}
