import { existsSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { parse } from 'yaml'

const usual = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml']

/**
 * Patterns of what the containers mount from the folder of the project and the source does not hold: data, made on
 * the host, which no sync may take away.
 */
export function mounted(source: string, files: readonly string[]): string[] {
  const names = files.length > 0 ? files : usual.filter((name) => existsSync(join(source, name)))
  const paths = names.flatMap((name) => pathsOf(source, name))
  return [...new Set(paths)].filter((path) => !existsSync(join(source, path))).map((path) => `/${path}`)
}

function pathsOf(source: string, name: string): string[] {
  let document: unknown
  try {
    document = parse(readFileSync(join(source, name), 'utf8'), { logLevel: 'silent' })
  } catch {
    // Compose on the host will say what is wrong with it.
    return []
  }
  const services = Object.values(record(record(document)['services'])).map(record)
  const sources = services.flatMap(({ volumes }) => (Array.isArray(volumes) ? volumes.map(sourceOf) : []))
  return sources.flatMap((text) => {
    const path = posix.normalize(posix.join(posix.dirname(name), text.replaceAll(/\$\{\w+:?-([^}]*)\}/g, '$1')))
    const inside = /^\.{1,2}(\/|$)/.test(text.replaceAll(/\$\{\w+:?-([^}]*)\}/g, '$1')) && !path.startsWith('..')
    return inside && path !== '.' && !path.includes('$') ? [path.replace(/\/$/, '')] : []
  })
}

/** `./data:/data`, or an entry with `source`. */
function sourceOf(volume: unknown): string {
  if (typeof volume !== 'string')
    return typeof record(volume)['source'] === 'string' ? String(record(volume)['source']) : ''
  return /^((?:\$\{[^}]*\}|[^:])*):/.exec(volume)?.[1] ?? ''
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
