import { block, list, oneLine } from './form.ts'
import { readRelativeFile } from './paths.ts'

/** What Compose and registries are told. */

export const composeFiles = list('', readRelativeFile)

export const projectName = oneLine(
  '',
  '',
  (text, refuse) =>
    /^[a-z0-9][a-z0-9_-]*$/.test(text)
      ? text
      : refuse('is no name of a Compose project', 'Use lower case letters, digits, `-` and `_`.', text),
  { pattern: '^[a-z0-9][a-z0-9_-]*$' },
)

export const profiles = list(
  '',
  (text, refuse) =>
    /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(text)
      ? text
      : refuse('is no name of a Compose profile', 'Use letters, digits, `.`, `-` and `_`.', text),
  { commas: true },
)

const reference = /^[a-zA-Z0-9][\w.:/-]*(@sha256:[0-9a-f]{64})?$/

export const images = list('', (text, refuse) => {
  const shape = 'Write `service=reference`, such as `bot=ghcr.io/acme/bot@sha256:…`.'
  const at = text.indexOf('=')
  const [service, ref] = [text.slice(0, at).trim(), text.slice(at + 1).trim()]
  if (at < 1 || !/^[a-zA-Z0-9][\w.-]*$/.test(service)) return refuse('names no service', shape, text)
  return reference.test(ref) ? { service, ref } : refuse('names no image', shape, text)
})

export const registry = oneLine('', '', (text, refuse) => {
  if (/^[a-zA-Z0-9][\w.-]*(:\d{1,5})?(\/[\w./-]*)?$/.test(text)) return text
  const bare = text.replace(/^https?:\/\//, '')
  return refuse('is no registry', `Write its host name, such as \`${bare === text ? 'ghcr.io' : bare}\`.`, text)
})

export const registryUser = oneLine('', '', (text, refuse) =>
  /^[^-\s:][^\s:]*$/.test(text)
    ? text
    : refuse('is no user of a registry', 'Write it without spaces and colons.', text),
)

export const registryPassword = block('', '', (text, refuse) =>
  /[\r\n]/.test(text.trim()) ? refuse('has more than one line', 'Store the token alone.') : text.trim(),
)

const vouchers = ['attestation', 'cosign'] as const

export const verification = oneLine<'' | (typeof vouchers)[number]>(
  '`attestation` or `cosign`',
  '',
  (text, refuse) =>
    vouchers.find((each) => each === text) ?? refuse('is not known', `Use one of ${vouchers.join(', ')}.`, text),
  { enum: vouchers },
)
