import type { Refuse } from './form.ts'

/** `name` becomes a directory on the host, so it is a safe file name. */
export function readName(text: string, refuse: Refuse): string | undefined {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)) return text
  return refuse('is no safe name', 'Use up to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit.', text)
}

/** The name of a repository without its owner, made safe; empty when nothing is left of it. */
export function nameOfRepository(repository: string): string {
  const name = repository.split('/').at(-1) ?? ''
  return name
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64)
}

/** `to`: matched on the host against releases, commits, digests and generations. */
export function readReleaseName(text: string, refuse: Refuse): string | undefined {
  const generation = /^\d+$/
  const digest = /^([A-Za-z0-9][A-Za-z0-9._:/-]*@)?sha256:[0-9a-f]{4,64}$/
  const releaseOrCommit = /^[A-Za-z0-9][A-Za-z0-9._-]{3,127}$/
  if ([generation, digest, releaseOrCommit].some((form) => form.test(text))) return text
  return refuse(
    'is no release',
    'Write a release id, at least 4 characters of a commit, `sha256:…` or a generation. Leave it empty for the last healthy one.',
    text,
  )
}
