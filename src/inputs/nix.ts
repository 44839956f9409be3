import { list, oneLine } from './form.ts'

/** What Nix is told. */

const shape = 'Write `.#NAME`, `./FOLDER#NAME`, a reference such as `github:acme/hosts#NAME`, or a store path.'

export const flake = oneLine('', '', (text, refuse) => {
  if (text.startsWith('/nix/store/')) {
    const whole = /^\/nix\/store\/[0-9a-z]{32}-[\w.+?=-]+$/.test(text)
    return whole
      ? text
      : refuse('is no store path of a system', 'Write it as `nix build --print-out-paths` does.', text)
  }
  const [ref = '', name, ...more] = text.split('#')
  if (more.length > 0 || (name !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.@-]*$|^$/.test(name)))
    return refuse('names no system', `After the \`#\` comes a name of \`nixosConfigurations\`. ${shape}`, text)
  if (ref.split(/[/?]/).includes('..'))
    return refuse('holds a `..`', 'Let `source` be the root of the repository.', text)
  if (/^(\.(\/[\w.+-]+)*\/?)?$/.test(ref) || /^\/[\w./+-]+$/.test(ref)) return text
  if (/^[a-z][a-z0-9+.-]*:[\w./:@?&=+~%-]+$/.test(ref))
    return /\/\/[^/]*:[^/]*@/.test(ref)
      ? refuse('holds a password', 'Give it to Nix on that machine (`access-tokens`).')
      : text
  return refuse('is no flake', /^[\w-]+(\/[\w.-]+)*$/.test(ref) ? `Did you mean \`./${text}\`? ${shape}` : shape, text)
})

/** What we say ourselves, and what would build something else, or put it elsewhere. */
const ours =
  /^(--(out-link|no-link|print-out-paths|json|dry-run|profile|store|eval-store|file|expr|stdin|update-input|recreate-lock-file|commit-lock-file|no-update-lock-file|help|version)(=|$)|-[of]$)/

/** Written as on a command line: a line may hold several words. */
export const nixArguments = list('', (text, refuse) => {
  if (/["'`$\\]/.test(text))
    return refuse('holds a quote or a `$`', 'No shell reads it: write the words as they are.', text)
  const words = text.split(/\s+/)
  const found = words.find((word) => ours.test(word))
  if (found !== undefined) return refuse(`holds \`${found}\``, 'Leave it out: the action sees to that itself.', text)
  if (words.some((word) => /access-tokens|netrc/.test(word)))
    return refuse(
      'holds a secret',
      'It would be seen in the list of processes: write it into nix.conf of that machine.',
    )
  return words
})
