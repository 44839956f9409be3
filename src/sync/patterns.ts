import { quote } from '../shell.ts'

/** Never deleted or overwritten on a host, whatever the inputs say: secrets, environments (also those of a change in its middle), and what Python writes beside code. */
export const alwaysProtected = ['.env*', '.venv', '.venv.hd-*', '__pycache__'] as const
/** Never sent and never touched: the history of the repository is not part of a release. */
export const alwaysExcluded = ['.git'] as const

/**
 * `exclude` and `protect` patterns. One without a slash names files and folders at any depth; one with a slash is
 * anchored at the root of the tree. `*` and `?` match any characters (in anchored patterns also `/`), because
 * `find` on the host and the expression here must agree on every name.
 */
export class Patterns {
  readonly #patterns: readonly string[]
  readonly #expressions: readonly RegExp[]

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.map((pattern) => pattern.replace(/^\.\//, '').replace(/\/(\*\*)?$/, ''))
    this.#expressions = this.#patterns.map(expression)
  }

  /** Whether the name, relative to the root, or a folder above it, matches. */
  match(name: string): boolean {
    return this.#expressions.some((regex) => regex.test(name))
  }

  /** The same test as words for `find .`: empty when there is no pattern. */
  findTest(): string {
    return this.#patterns
      .map((pattern) =>
        anchored(pattern) ? `-path ${quote(`./${pattern.replace(/^\//, '')}`)}` : `-name ${quote(pattern)}`,
      )
      .join(' -o ')
  }
}

/** The pattern for exactly this file, relative to the root. What would be a wildcard is one for any character. */
export function patternOf(file: string): string {
  return `/${file.replace(/[*?[\]\\]/g, '?')}`
}

function anchored(pattern: string): boolean {
  return pattern.includes('/')
}

function expression(pattern: string): RegExp {
  const name = anchored(pattern) ? '.' : '[^/]'
  const body = pattern
    .replace(/^\//, '')
    .replace(/\*+/g, '*')
    .replace(/\[!/g, '[^')
    .replace(/[.+^${}()|\\]/g, (char, at: number, all: string) =>
      char === '^' && all[at - 1] === '[' ? '^' : `\\${char}`,
    )
    .replaceAll('?', name)
    .replaceAll('*', `${name}*`)
  return new RegExp(anchored(pattern) ? `^${body}(/|$)` : `(^|/)${body}(/|$)`, 's')
}
