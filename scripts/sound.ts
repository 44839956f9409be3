import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What ncc lets pass and what would only be noticed on a runner. Empty when the bundle is sound. */
export function problemsOf(bundle: string): string[] {
  return filesOf(bundle).flatMap((file) => {
    if (/\.(node|exe)$/.test(file)) return [`${file} is a native binary`]
    return problemsIn(readFileSync(join(bundle, file), 'utf8')).map((problem) => `${file} ${problem}`)
  })
}

export function problemsIn(text: string): string[] {
  const problems: string[] = []
  if (text.includes('webpackMissingModule')) problems.push('lacks a module (webpackMissingModule)')
  // ssh2 tries its native add-ons, which are not there, and does without them: these two may stay.
  const lost = text.matchAll(/eval\("require"\)\("(?![^"]*\.node")([^"]*)"/g)
  for (const [, module] of lost) problems.push(`looks for a module at run time: ${module}`)
  if (text.includes(process.cwd())) problems.push('holds the path of the machine that built it')
  return problems
}

export function filesOf(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}
