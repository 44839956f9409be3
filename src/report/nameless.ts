import type { Report } from './report.ts'

/** Where the application is found is meant to be told; and what the run itself is called. */
const kept: ReadonlySet<string> = new Set(['url', 'run', 'name', 'environment', 'repository', 'code', 'result', 'mode'])

/**
 * The same report without the names of its hosts. The runner hides what came from a secret in the log and in the
 * summary, and in nothing that is sent to an API; and which inputs came from a secret, only the runner knows.
 */
export function withoutHosts(report: Report, hosts: readonly (readonly string[])[]): Report {
  const names = hosts
    .flatMap((each, index) =>
      each.map((name) => ({ name, called: hosts.length > 1 ? `host ${index + 1}` : 'the host' })),
    )
    .toSorted((a, b) => b.name.length - a.name.length)
    .map(({ name, called }) => ({
      pattern: new RegExp(`(?<![\\w.-])${name.replace(/[^\w]/g, '\\$&')}(?![\\w-]|\\.\\w)`, 'gi'),
      called,
    }))
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string')
      return names.reduce((text, { pattern, called }) => text.replace(pattern, called), value)
    if (Array.isArray(value)) return value.map(walk)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, kept.has(key) ? each : walk(each)]))
  }
  return walk(report) as Report
}
