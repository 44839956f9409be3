/** Where words go while a run is under way. Only report/sink.ts knows that this is GitHub's log. */
export interface Log {
  /** A line of ours. */
  info(text: string): void
  /** A line the reader should not miss; shown as a warning annotation (there are at most ten a step). */
  warning(text: string): void
  /** Raw output of a host or a tool, in pieces of any size: shown line by line, workflow commands defused. */
  output(source: string, chunk: string): void
  /** Hides a value in everything the runner prints from now on. */
  mask(value: string): void
}
