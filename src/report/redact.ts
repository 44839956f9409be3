/**
 * Takes masked values out of what the runner does not mask (the JSON report), and out of lines that are about to be
 * cut, since half a secret is no longer what the runner looks for.
 */
export class Redactor {
  #values: string[] = []

  /** The longest value: what is cut must keep this distance to be sure. */
  get longest(): number {
    return this.#values[0]?.length ?? 0
  }

  /** Hides a value, each of its lines, and the forms in which it travels. */
  add(value: string): void {
    const forms = [value, value.trim(), ...value.split(/\r?\n/).map((each) => each.trim())]
    if (value.length >= 8) forms.push(Buffer.from(value).toString('base64'), encodeURIComponent(value.toWellFormed()))
    // A line of a brace or a dash is no secret, and hiding it would hide everything; a whole value is the caller's word.
    const useful = forms.filter((each, index) => each !== '' && !/^\*+$/.test(each) && (index < 2 || each.length >= 4))
    this.#values = [...new Set([...this.#values, ...useful])].sort((a, b) => b.length - a.length)
  }

  redact(text: string): string {
    return this.#values.reduce((rest, value) => rest.replaceAll(value, '***'), text)
  }

  /** The same data with every string redacted, but for the keys that hold words of ours. */
  redactAll<T>(data: T, keep: ReadonlySet<string> = new Set()): T {
    const walk = (value: unknown): unknown => {
      if (typeof value === 'string') return this.redact(value)
      if (Array.isArray(value)) return value.map(walk)
      if (value === null || typeof value !== 'object') return value
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, keep.has(key) ? each : walk(each)]))
    }
    return walk(data) as T
  }
}
