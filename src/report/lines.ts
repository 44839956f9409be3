/** More than any line that is shown; the rest of a line without an end is not kept in memory. */
const capacity = 16_384

export interface Line {
  readonly text: string
  /** It went on, and the rest is gone. */
  readonly cut: boolean
}

/** Cuts a stream that comes in pieces into lines, and shows what a terminal would show of a line that redraws itself. */
export class Lines {
  #rest = ''
  #cut = false

  push(chunk: string): Line[] {
    const pieces = chunk.split('\n')
    const last = pieces.pop() ?? ''
    const lines = pieces.map((piece) => this.#end(piece))
    this.#keep(last)
    return lines
  }

  /** What waits for its line feed, if anything. */
  flush(): Line[] {
    return this.#rest === '' ? [] : [this.#end('')]
  }

  #end(piece: string): Line {
    this.#keep(piece)
    const line = { text: this.#rest.slice(0, lengthWithoutReturns(this.#rest)), cut: this.#cut }
    this.#rest = ''
    this.#cut = false
    return line
  }

  #keep(piece: string): void {
    if (piece === '') return
    const all = this.#rest + piece
    // A progress bar goes back with a carriage return and writes over itself: only its last state is news.
    const start = all.lastIndexOf('\r', lengthWithoutReturns(all) - 1) + 1
    const redrawn = all.slice(start)
    if (start > 0) this.#cut = false
    if (redrawn.length > capacity) this.#cut = true
    this.#rest = redrawn.slice(0, capacity)
  }
}

/** A loop and no pattern: on thousands of returns in a row a pattern would take for ever. */
function lengthWithoutReturns(text: string): number {
  let length = text.length
  while (length > 0 && text[length - 1] === '\r') length -= 1
  return length
}
