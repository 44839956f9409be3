import { list, type Refuse } from './form.ts'
import { readRelativeFile } from './paths.ts'

/** The names and files of systemd units, and what uv is told. */

export const unitNames = list('', readUnitName, { commas: true })

function readUnitName(text: string, refuse: Refuse): string | undefined {
  const fits = /^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*$/.test(text) && text.length < 256
  return fits ? text : refuse('is no name of a unit', 'Write it as systemd does, such as `api` or `api.service`.', text)
}

export const unitFiles = list('', (text, refuse) => {
  const file = readRelativeFile(text, refuse)
  if (file === undefined) return undefined
  const name = /([^/]+\.d\/[^/]+\.conf|[^/]+\.(service|socket|timer|path|target|mount|automount|slice))$/.exec(
    file,
  )?.[0]
  if (name !== undefined && /^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@/-]*$/.test(name)) return file
  return refuse('is no unit file', 'Write a file of the repository such as `deploy/api.service`.', text)
})

/** What we say ourselves, and what would install elsewhere than into the environment of the release. */
const ours =
  /^--(locked|frozen|no-sync|offline|dry-run|check|active|script|upgrade|upgrade-package|upgrade-group|project|directory|output-format|help)(=|$)|^-(U|P|h)/

/** Written as on a command line: a line may hold several words. */
export const uvArguments = list('', (text, refuse) => {
  if (/["'`$\\]/.test(text))
    return refuse('holds a quote or a `$`', 'No shell reads it: write the words as they are.', text)
  const words = text.split(/\s+/)
  const found = words.find((word) => ours.test(word))
  if (found !== undefined) {
    const place = /^--(project|directory)/.test(found)
    const fix = place
      ? 'Let `source` and `path` be the folder of uv.lock.'
      : 'Leave it out: the action sees to that itself.'
    return refuse(`holds \`${found}\``, fix, text)
  }
  return words
})
