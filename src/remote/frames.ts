import { StringDecoder } from 'node:string_decoder'

/**
 * Cuts one stream of a remote shell into what belongs to each script. A frame ends with a mark that nobody can guess
 * and the rest of its line; whatever came before the first mark (motd, a noisy .bashrc) belongs to no script.
 */
export class FrameReader {
  readonly #mark: string
  readonly #onText: (text: string) => void
  readonly #onEnd: (rest: string) => void
  readonly #decoder = new StringDecoder('utf8')
  #buffer = ''

  /** `onText` gets text as soon as it cannot be part of a mark; `onEnd` what stands behind the mark on its line. */
  constructor(mark: string, onText: (text: string) => void, onEnd: (rest: string) => void) {
    this.#mark = mark
    this.#onText = onText
    this.#onEnd = onEnd
  }

  push(chunk: Buffer): void {
    this.#buffer += this.#decoder.write(chunk)
    for (;;) {
      const at = this.#buffer.indexOf(this.#mark)
      const lineEnd = at < 0 ? -1 : this.#buffer.indexOf('\n', at + this.#mark.length)
      const sure = at < 0 ? this.#buffer.length - this.#overlap() : at
      if (sure > 0) {
        this.#onText(this.#buffer.slice(0, sure))
        this.#buffer = this.#buffer.slice(sure)
      }
      if (lineEnd < 0) return
      const from = lineEnd - sure
      const rest = this.#buffer.slice(this.#mark.length, from).trim()
      this.#buffer = this.#buffer.slice(from + 1)
      this.#onEnd(rest)
    }
  }

  /** How many characters at the end may be the beginning of a mark. */
  #overlap(): number {
    for (let length = Math.min(this.#mark.length, this.#buffer.length); length > 0; length--) {
      if (this.#buffer.endsWith(this.#mark.slice(0, length))) return length
    }
    return 0
  }
}
