/** What the inputs of `uv` say, as the record of a release keeps it. */
export interface UvOptions {
  /** More arguments of `uv sync`. */
  readonly args: readonly string[]
  /** Units that must run the new code, by the names that the user (and so perhaps a sudoers file) gives them. */
  readonly services: readonly string[]
  /** Units restarted besides. */
  readonly restart: readonly string[]
  /** Unit files of the tree to install, relative to it. */
  readonly unitFiles: readonly string[]
  readonly scope: 'system' | 'user'
}

export const noUv: UvOptions = { args: [], services: [], restart: [], unitFiles: [], scope: 'system' }

/** What systemd calls the file: `deploy/api.service` is `api.service`, `deploy/api.service.d/mem.conf` keeps its folder. */
export function unitName(file: string): string {
  return /[^/]+\.d\/[^/]+\.conf$/.exec(file)?.[0] ?? file.split('/').at(-1) ?? file
}

/** The unit itself: with its type, and for a drop-in the one that it is for. */
export function unitOf(name: string): string {
  const base = name.replace(/\.d\/[^/]+$/, '')
  return /\.(service|socket|timer|path|target|mount|automount|slice)$/.test(base) ? base : `${base}.service`
}
