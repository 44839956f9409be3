import { list, type Refuse } from './form.ts'

/** The nodes of a hive, and what colmena is told. */

export const nodePatterns = list('', readPattern, { commas: true })

export function readPattern(text: string, refuse: Refuse): string | undefined {
  if (/^@?[A-Za-z0-9_*?[][A-Za-z0-9_.*?[\]!:+-]*$/.test(text)) return text
  return refuse('is no node', 'Write the name of a node, a pattern such as `web-*`, or a tag as `@tag`.', text)
}

/** What the action says itself, or what would be another thing than a deploy of these nodes. */
const ours = /^(--on|--no-keys|--reboot|--verbose|--help|--version|-v|-h|-V)(=|$)/

/** Written as on a command line: a line may hold several words. */
export const colmenaArguments = list('', (text, refuse) => {
  if (/["'`$\\]/.test(text))
    return refuse('holds a quote or a `$`', 'No shell reads it: write the words as they are.', text)
  const words = text.split(/\s+/)
  const found = words.find((word) => ours.test(word))
  if (found === undefined) return words
  const fix = found === '--on' ? 'Name the nodes in `nodes`.' : 'Leave it out: the action sees to that itself.'
  return refuse(`holds \`${found}\``, fix, text)
})
