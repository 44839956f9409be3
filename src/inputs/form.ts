/** What an input was given as, before anybody looked at its meaning. */
export interface Raw {
  readonly text: string
  /** The items when it was written as a YAML list. */
  readonly items?: readonly string[]
  /** Where it was written, for messages: empty is the workflow. */
  readonly from: string
}

/**
 * Notes a problem and returns undefined, so that a parser can say `return refuse(…)` and the others still get their
 * turn. `value` is what to show; whoever refuses a secret leaves it out, and it would be dropped anyway.
 */
export type Refuse = (what: string, fix: string, value?: string) => undefined

/** Reads one item or one line. */
export type Reader<T> = (text: string, refuse: Refuse) => T | undefined

/** How one kind of input is written: its parser, and its description for people and for editors. */
export interface Form<T = unknown> {
  /** For the tables: `a duration such as 90s`. Empty where the description says it. */
  readonly says: string
  readonly schema: Readonly<Record<string, unknown>>
  /** The value when nothing was given and there is no default. */
  readonly empty: T
  /** Whether a YAML list is accepted. */
  readonly list: boolean
  readonly read: (raw: Raw, refuse: Refuse) => T | undefined
}

/** Line breaks, terminal escapes, NUL: nothing that belongs in a name. */
export function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text)
}

/** A value on one line. */
export function oneLine<T>(says: string, empty: T, reader: Reader<T>, schema: Record<string, unknown> = {}): Form<T> {
  return {
    says,
    empty,
    list: false,
    schema: { type: 'string', ...schema },
    read: (raw, refuse) => {
      const text = raw.text.trim()
      return hasControl(text)
        ? refuse('holds a line break or a control character', 'Write it on one line.', text)
        : reader(text, refuse)
    },
  }
}

/** Text of any number of lines: scripts and secrets. */
export function block<T>(says: string, empty: T, reader: Reader<T>): Form<T> {
  return {
    says,
    empty,
    list: false,
    schema: { type: 'string' },
    read: ({ text }, refuse) =>
      text.includes('\0') ? refuse('holds a NUL character', 'Store it again as plain text.') : reader(text, refuse),
  }
}

/** Several items: one a line, a YAML list, and with `commas` also `a, b` where no item can hold a comma. */
export function list<T>(says: string, reader: Reader<T>, { commas = false } = {}): Form<readonly T[]> {
  return {
    says,
    empty: [],
    list: true,
    schema: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
    read: (raw, refuse) => {
      const read = itemsOf(raw, commas).map((item) =>
        hasControl(item) ? refuse('holds a control character', 'Write one item a line.', item) : reader(item, refuse),
      )
      return read.filter((item) => item !== undefined)
    },
  }
}

/** In text, a line that begins with `#` is a comment, as in .gitignore and known_hosts. A YAML list has its own. */
export function itemsOf({ text, items }: Raw, commas: boolean): string[] {
  const lines = items ?? text.split(/\r\n?|\n/).filter((line) => !line.trimStart().startsWith('#'))
  return lines
    .flatMap((line) => (commas ? line.split(',') : [line]))
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
