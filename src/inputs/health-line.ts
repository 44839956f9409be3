import { parseCheck } from '../health/index.ts'
import type { Reader } from './form.ts'

/** A line of `health`, checked here and understood again where it is used: the record of a release keeps the text. */
export const readHealthLine: Reader<string> = (text, refuse) => {
  const check = parseCheck(text)
  return typeof check === 'string'
    ? refuse(
        `has a line that is no check: ${check}`,
        'Write a URL, `tcp:HOST:PORT`, `unit:NAME`, `container:SERVICE`, `log:NAME /re/` or `command: … => EXPECTED`.',
        text,
      )
    : text
}
