/** Values for POSIX shell scripts. Nothing in here runs anything. */

/** One word for sh, whatever the text holds. */
export function quote(text: string): string {
  if (text.includes('\0')) throw new TypeError('a shell word cannot hold a NUL')
  return /^[A-Za-z0-9_/.:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** Assignments, one a line: the way values enter a script. */
export function assign(values: Record<string, string | number | boolean>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quote(String(value))}\n`)
    .join('')
}

/** Text of any kind as the standard input of a command, by a here-document that cannot end early. */
export function heredoc(command: string, text: string): string {
  let mark = 'HD_TEXT'
  while (text.split('\n').includes(mark)) mark += '_'
  return `${command} <<'${mark}'\n${text}${text.endsWith('\n') || text === '' ? '' : '\n'}${mark}\n`
}

/** Shell text as it stands, backslashes and all; only `\${` has to be written for the `${` of the shell. */
export function sh(text: TemplateStringsArray): string {
  return (text.raw[0] ?? '').replaceAll('\\${', '${')
}
