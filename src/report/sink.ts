import { mkdtemp, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import * as core from '@actions/core'
import type { Log } from '../log.ts'
import { annotationOf } from './annotation.ts'
import { type Line, Lines } from './lines.ts'
import { outputsOf } from './outputs.ts'
import { Progress } from './progress.ts'
import { Redactor } from './redact.ts'
import type { Report } from './report.ts'
import { renderSummary } from './summary.ts'
import { clean, cut, defuse, line } from './text.ts'
import { verdict } from './verdict.ts'

export interface SinkOptions {
  /** See SummaryOptions. */
  readonly docsBase: string
  /** Where the JSON report goes; later steps read it, so it must outlive the run. */
  readonly reportDir: string
  /** Also print the summary: the page of the run may not show it. */
  readonly summaryInLog?: boolean
}

/** Tells others how it ended, and gives what they know of it. */
type Teller = (shown: Report) => Promise<Partial<Report>>

/** GitHub shows ten warnings of a step; the last place is left to the runner's own. */
const warningLimit = 9
/** Words of ours: hiding a secret that happens to be spelt like one would only break the report. */
const ourWords: ReadonlySet<string> = new Set(['result', 'mode', 'code', 'startedAt'])

/** Everything that reaches GitHub goes through here, and nothing that goes through here can command the runner. */
export class Sink implements Log {
  /** All that were given, for the summary. */
  readonly warnings: string[] = []
  readonly #options: SinkOptions
  readonly #redactor = new Redactor()
  readonly #streams = new Map<string, Lines>()
  #grouped = false
  #printedAt = 0
  #published: Promise<void> | undefined

  constructor(options: SinkOptions) {
    this.#options = options
  }

  info(text: string): void {
    for (const each of clean(this.#redactor.redact(text)).split('\n')) this.#print(each)
  }

  warning(text: string): void {
    const shown = clean(this.#redactor.redact(text))
    this.warnings.push(shown)
    if (this.warnings.length <= warningLimit) core.warning(cut(shown, 4_000))
    else this.info(`Warning: ${shown}`)
  }

  /** An empty chunk ends a line that has no line feed. */
  output(source: string, chunk: string): void {
    const lines = this.#streams.get(source) ?? new Lines()
    this.#streams.set(source, lines)
    for (const each of chunk === '' ? lines.flush() : lines.push(chunk)) this.#printOutput(source, each)
  }

  mask(value: string): void {
    if (value.trim() === '') return
    this.#redactor.add(value)
    core.setSecret(value)
  }

  /** Groups do not nest at GitHub: one that begins ends the one before. */
  startGroup(name: string): void {
    this.endGroup()
    core.startGroup(line(this.#redactor.redact(name), 200))
    this.#grouped = true
  }

  endGroup(): void {
    this.flush()
    if (this.#grouped) core.endGroup()
    this.#grouped = false
  }

  async group<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.startGroup(name)
    try {
      return await work()
    } finally {
      this.endGroup()
    }
  }

  /** For news that come faster than anybody reads. */
  progress(source: string): Progress {
    return new Progress((text) => this.output(source, `${text}\n`))
  }

  /** When the last line was printed, by `performance.now()`. */
  get printedAt(): number {
    return this.#printedAt
  }

  flush(): void {
    for (const source of this.#streams.keys()) this.output(source, '')
  }

  /** Once, at the end. Whatever cannot be written here must not turn a good deploy into a failed step. */
  publish(report: Report, tell?: Teller, hurry = false): Promise<void> {
    // A second caller, such as the handler of a stray error, waits for the first: there is one annotation, one summary.
    this.#published ??= this.#publish(report, tell, hurry)
    return this.#published
  }

  async #publish(report: Report, tell: Teller | undefined, hurry: boolean): Promise<void> {
    this.endGroup()
    let more: Partial<Report> | undefined
    const whole = () => ({ ...report, ...more, warnings: [...new Set([...report.warnings, ...this.warnings])] })
    this.#warnOfHidden(outputsOf(report, ''))
    const tellOthers = () =>
      this.#attempt('to GitHub', async () => {
        more = await tell?.(this.#redactor.redactAll(whole(), ourWords))
      })
    // Others first: a warning about what they did not take stands in the summary as well. But a job that was cancelled
    // has seconds left, and they belong to what nobody else can tell.
    if (!hurry) await tellOthers()
    const full = whole()
    const shown = this.#redactor.redactAll(full, ourWords)
    const { docsBase, summaryInLog } = this.#options
    let path = ''
    await this.#attempt('the JSON report', async () => {
      path = await writeReport(this.#options.reportDir, shown)
    })
    // Outputs as they are: another step may need the real address, and the runner knows how to mask them.
    await this.#attempt('the outputs', async () => {
      for (const [name, value] of Object.entries(outputsOf(full, path))) core.setOutput(name, value)
    })
    await this.#attempt('the summary', async () => {
      const summary = renderSummary(shown, { docsBase })
      if (summaryInLog) await this.group('Summary', async () => this.info(summary.trimEnd()))
      await core.summary.addRaw(summary).write()
    })
    this.info(verdict(shown))
    const annotation = annotationOf(shown, docsBase)
    if (annotation) core.error(annotation.message, { title: annotation.title })
    if (hurry) await tellOthers()
  }

  /** What the runner will not do, and where it does not say why. */
  #warnOfHidden(outputs: Record<string, string>): void {
    const held = Object.keys(outputs).filter((name) => this.#redactor.redact(outputs[name] ?? '') !== outputs[name])
    if (held.length === 0) return
    const names = held.map((name) => `\`${name}\``).join(', ')
    this.warning(
      `The output ${names} holds a value that is masked. Later steps get it; GitHub passes it neither to other jobs nor to \`environment: url:\`. Keep what is no secret, such as an address, in a variable (\`vars\`).`,
    )
  }

  async #attempt(what: string, write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } catch (thrown) {
      this.info(`Could not write ${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
    }
  }

  #printOutput(source: string, { text, cut: incomplete }: Line): void {
    // Of a line whose end is gone, the last piece may be the first half of a secret.
    const whole = incomplete ? text.slice(0, Math.max(0, text.length - this.#redactor.longest)) : text
    const shown = clean(this.#redactor.redact(whole)).replace(/\n/g, ' ').trimEnd()
    this.#print(`  ${line(source, 40)} │ ${shown}`)
  }

  #print(text: string): void {
    this.#printedAt = performance.now()
    // Redacted once more: what was taken out between two halves may have joined them.
    core.info(defuse(cut(this.#redactor.redact(text), 2_000)).trimEnd())
  }
}

/** Whole or not at all, and for the runner's user only. */
async function writeReport(directory: string, report: Report): Promise<string> {
  const path = join(await mkdtemp(join(directory, 'homelab-deploy-')), 'report.json')
  await using file = await open(`${path}.new`, 'wx', 0o600)
  await file.writeFile(`${JSON.stringify(report, undefined, 2)}\n`)
  await file.sync()
  await rename(`${path}.new`, path)
  return path
}
