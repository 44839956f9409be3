import { humanDuration, parseDuration } from '../clock.ts'
import { didYouMean } from './closest.ts'
import { block, type Form, oneLine } from './form.ts'

/** The forms that say nothing about what they are used for. */

export const script: Form<string> = block('shell text', '', (text) => text.replace(/\r\n?/g, '\n').trim())

export const word: Form<string> = oneLine('', '', (text, refuse) =>
  text.startsWith('-') ? refuse('begins with `-`', 'It would be read as an option.', text) : text,
)

/** One of a few words. */
export function choice<const M extends string>(members: readonly [M, ...M[]]): Form<M> {
  return oneLine(
    members.map((member) => `\`${member}\``).join(', '),
    members[0],
    (text, refuse) =>
      members.find((each) => each === text) ??
      refuse('is not known', `${didYouMean(text, members)}Use one of ${members.join(', ')}.`, text),
    { enum: members },
  )
}

/** The booleans of YAML 1.2, in which `yes` and `on` are words. */
export const flag: Form<boolean> = oneLine(
  '`true` or `false`',
  false,
  (text, refuse) => {
    if (/^(true|True|TRUE)$/.test(text)) return true
    if (/^(false|False|FALSE)$/.test(text)) return false
    return refuse('is not a boolean', 'Write `true` or `false`.', text)
  },
  { type: 'boolean' },
)

export function integer(least: number, most: number): Form<number> {
  return oneLine(
    `a whole number from ${least}`,
    least,
    (text, refuse) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
      if (value >= least && value <= most) return value
      return refuse('is not a number that fits', `Write a whole number from ${least} to ${most}.`, text)
    },
    { type: 'integer', minimum: least, maximum: most },
  )
}

/** In milliseconds. The bounds are texts of the same form, since they appear in the message. */
export function duration(least: string, most: string): Form<number> {
  const [low = 0, high = 0] = [parseDuration(least), parseDuration(most)]
  return oneLine(
    'a duration such as `90s`, `5m`, `1h`',
    low,
    (text, refuse) => {
      const value = parseDuration(text)
      if (value === undefined) {
        const unit = /^\d+$/.test(text) ? `Did you mean \`${text}s\`? ` : ''
        return refuse('is not a duration', `${unit}Write it as \`90s\`, \`5m\` or \`1h\`.`, text)
      }
      if (value >= low && value <= high) return value
      return refuse(`(${humanDuration(value)}) is out of range`, `Write a duration from ${least} to ${most}.`, text)
    },
    { pattern: String.raw`^(\d+(\.\d+)?(ms|s|m|h))+$` },
  )
}

/** An address that people follow: shown in the summary, so it may not hold a password. */
export const webAddress: Form<string> = oneLine(
  'an http(s) URL',
  '',
  (text, refuse) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined || !/^https?:\/\/[^/\s]/i.test(text)) {
      return refuse('is not a web address', 'Write it as `https://app.example.org`.', text)
    }
    if (url.username !== '' || url.password !== '') {
      return refuse('holds a user or a password', 'Leave them out: this address is shown to everybody.')
    }
    return text
  },
  { pattern: '^https?://' },
)
