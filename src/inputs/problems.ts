import { DeployError } from '../errors.ts'
import type { Refuse } from './form.ts'

interface Problem {
  readonly input: string
  readonly what: string
  readonly fix: string
  /** Nothing is wrong but that a secret is empty. */
  readonly absent: boolean
}

interface Concern {
  readonly input: string
  /** Where it was written; empty is the workflow. */
  readonly from?: string
  readonly secret?: boolean
}

/** Collects what is wrong with the inputs, so that everything can be said at once. */
export class Problems {
  readonly #list: Problem[] = []
  readonly #redact: (text: string) => string
  readonly #empty: ReadonlyMap<string, string>

  /**
   * `redact` takes secrets out of what is shown: somebody may have put one into the wrong input. `empty` names the secrets
   * that inputs would come from, as far as that is known.
   */
  constructor(redact: (text: string) => string, empty: ReadonlyMap<string, string> = new Map()) {
    this.#redact = redact
    this.#empty = empty
  }

  /** The function by which the parser of one input says what is wrong. */
  refuser({ input, from = '', secret = false }: Concern): Refuse {
    return (what, fix, value) => {
      const place = from && ` (${from})`
      const shown = value === undefined || secret ? '' : ` ${this.#show(value)}`
      const words = what.startsWith(':') ? what : ` ${what}`
      const name = `\`${this.#plain(input)}\``
      this.#list.push({
        input,
        what: `${name}${place}${shown}${this.#plain(words)}`,
        fix: this.#plain(fix),
        absent: false,
      })
      return undefined
    }
  }

  add(input: string, what: string, fix: string): void {
    this.#list.push({ input, what: `\`${input}\` ${what}`, fix, absent: false })
  }

  /** A secret that is needed and empty. */
  addAbsent(input: string, what: string, fix: string): void {
    const secret = this.#empty.get(input)
    const known =
      secret &&
      `The workflow takes it from \`secrets.${secret}\`: create that in the repository, or in the environment of this job; forks and Dependabot get none.`
    this.#list.push({ input, what: `\`${input}\` ${what}`, fix: known || fix, absent: true })
  }

  concerns(input: string): boolean {
    return this.#list.some((problem) => problem.input === input)
  }

  /** The secrets that are empty, when nothing else is wrong. */
  onlyAbsent(): string[] | undefined {
    if (this.#list.length === 0 || this.#list.some((problem) => !problem.absent)) return undefined
    return [...new Set(this.#list.map((problem) => problem.input))]
  }

  throwIfAny(): void {
    const [first, ...more] = this.#list
    if (first === undefined) return
    const code = this.onlyAbsent() ? 'HD-ENV-01' : 'HD-INPUT-01'
    if (more.length === 0)
      throw new DeployError(code, `${first.what}.`, { why: 'Nothing was touched.', fix: first.fix })
    throw new DeployError(code, `${this.#list.length} problems with the inputs; nothing was touched.`, {
      fix: this.#list.map(({ what, fix }) => `- ${what}. ${fix}`).join('\n'),
    })
  }

  #show(value: string): string {
    const safe = this.#plain(value) // Redacted before it is cut: half a secret would not be recognized.
    return `"${safe.length > 100 ? `${safe.slice(0, 100)}…` : safe}"`
  }

  /** On one line, with nothing that a terminal, a log or a reader could stumble over. */
  #plain(text: string): string {
    const escaped = (char: string) => `\\u{${char.codePointAt(0)?.toString(16)}}`
    return this.#redact(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)
  }
}
