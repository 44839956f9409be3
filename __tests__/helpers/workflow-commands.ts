/** Reads a step's output as GitHub's runner does: commands are taken out, masks apply from the line they are set. */

export interface Annotation {
  readonly level: 'error' | 'warning' | 'notice'
  readonly message: string
  readonly title?: string
  readonly [property: string]: string | undefined
}

export interface WorkflowCommand {
  readonly name: string
  readonly properties: Record<string, string>
  readonly message: string
  /** The line as it was printed. */
  readonly line: string
}

export interface Group {
  readonly title: string
  readonly lines: string[]
}

const known = new Set([
  ...['error', 'warning', 'notice', 'debug', 'group', 'endgroup', 'add-mask', 'stop-commands', 'echo'],
  ...['set-output', 'save-state', 'set-env', 'add-path', 'add-matcher', 'remove-matcher', 'internal-set-repo-path'],
])

const unescapeData = (text: string) => text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')
const unescapeProperty = (text: string) => unescapeData(text.replaceAll('%3A', ':').replaceAll('%2C', ','))

/**
 * The two notations that the runner obeys: `::name key=value,…::message` after leading blanks, and the old
 * `##[name key=value;…]message` anywhere in a line. Unknown names are only text.
 */
export function parseCommand(line: string): WorkflowCommand | undefined {
  const text = line.trimStart()
  const end = text.startsWith('::') ? text.indexOf('::', 2) : -1
  if (end > 2) return command(line, text.slice(2, end), ',', text.slice(end + 2))
  const old = /##\[([^\]]+)\](.*)$/s.exec(line)
  return old ? command(line, old[1] as string, ';', old[2] as string) : undefined
}

function command(line: string, head: string, separator: string, data: string): WorkflowCommand {
  const space = head.indexOf(' ')
  const properties: Record<string, string> = {}
  for (const pair of space < 0 ? [] : head.slice(space + 1).split(separator)) {
    const at = pair.indexOf('=')
    if (at > 0) properties[pair.slice(0, at).trim()] = unescapeProperty(pair.slice(at + 1))
  }
  return { name: space < 0 ? head : head.slice(0, space), properties, message: unescapeData(data), line }
}

/** What the runner hides for one secret: the value, each of its lines, and the common encodings of them. */
function coverings(value: string): string[] {
  const parts = [value, ...value.split(/\r?\n/)].map((part) => part.trim()).filter((part) => part !== '')
  return parts.flatMap((part) => {
    const shifts = [0, 1, 2].map((skip) => {
      const bytes = Buffer.from(part).subarray(skip)
      return bytes.subarray(0, bytes.length - (bytes.length % 3)).toString('base64')
    })
    return [part, encodeURIComponent(part), JSON.stringify(part).slice(1, -1), ...shifts].filter(
      (text) => text.length > 0,
    )
  })
}

export class StepLog {
  /** As printed, commands included: what leaks here before its mask is a leak. */
  readonly raw: string[] = []
  /** As the reader of the log sees it. */
  readonly masked: string[] = []
  readonly annotations: Annotation[] = []
  readonly commands: WorkflowCommand[] = []
  readonly groups: Group[] = []
  readonly masks: string[] = []
  readonly legacy = { outputs: {} as Record<string, string>, state: {} as Record<string, string> }
  #hidden: string[] = []
  #group: Group | undefined
  #stopped: string | undefined

  constructor(secrets: readonly string[] = []) {
    for (const secret of secrets) this.#hide(secret)
  }

  add(line: string): void {
    this.raw.push(line)
    const command = parseCommand(line)
    if (this.#stopped !== undefined) {
      if (command?.name === this.#stopped) this.#stopped = undefined
      else this.#show(line)
      return
    }
    if (command && known.has(command.name)) this.#obey(command)
    else this.#show(line)
  }

  mask(text: string): string {
    // The longest first, or a part of a secret would hide and leave the rest of it in sight.
    return this.#hidden.reduce((shown, secret) => shown.replaceAll(secret, '***'), text)
  }

  #obey(command: WorkflowCommand) {
    this.commands.push(command)
    const { name, properties, message } = command
    if (name === 'add-mask') {
      this.masks.push(message)
      this.#hide(message)
    } else if (name === 'stop-commands') this.#stopped = message
    else if (name === 'set-output') this.legacy.outputs[properties.name ?? ''] = message
    else if (name === 'save-state') this.legacy.state[properties.name ?? ''] = message
    else if (name === 'group') {
      this.#show(`##[group]${message}`)
      this.#group = { title: this.mask(message), lines: [] }
      this.groups.push(this.#group)
    } else if (name === 'endgroup') {
      this.#group = undefined
      this.masked.push('##[endgroup]')
    } else if (name === 'error' || name === 'warning' || name === 'notice') {
      this.annotations.push({ ...properties, level: name, message })
      this.#show(`##[${name}]${message}`)
    } else if (name === 'debug') this.#show(`##[debug]${message}`)
  }

  #show(text: string) {
    for (const line of this.mask(text).split('\n')) {
      this.masked.push(line)
      this.#group?.lines.push(line)
    }
  }

  #hide(secret: string) {
    this.#hidden = [...new Set([...this.#hidden, ...coverings(secret)])].toSorted((a, b) => b.length - a.length)
  }
}

/** GITHUB_OUTPUT, GITHUB_STATE, GITHUB_ENV: `name=value`, or `name<<MARK`, lines, `MARK`. */
export function parseFileCommands(text: string): Record<string, string> {
  const found: Record<string, string> = {}
  const lines = text.split(/\r?\n/)
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string
    if (line === '') continue
    const here = line.indexOf('<<')
    const equals = line.indexOf('=')
    if (here > 0 && (equals < 0 || here < equals)) {
      const mark = line.slice(here + 2)
      const end = lines.indexOf(mark, i + 1)
      if (end < 0) throw new Error(`file command without its end: ${line}`)
      found[line.slice(0, here)] = lines.slice(i + 1, end).join('\n')
      i = end
    } else if (equals > 0) {
      found[line.slice(0, equals)] = line.slice(equals + 1)
    } else {
      throw new Error(`not a file command: ${line}`)
    }
  }
  return found
}
