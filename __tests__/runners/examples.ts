import { yamlBlocks } from '../helpers/yaml-blocks.ts'

/**
 * The YAML of a page in which this text stands, as a reader copies it, with what a reader has to change changed.
 * Whatever is not found fails: a page that says something else now needs a test that says something else.
 */
export function example(page: string, text: string, changes: Readonly<Record<string, string>>): string {
  const found = yamlBlocks(page).filter((block) => block.includes(text))
  if (found.length !== 1) throw new Error(`${page} has ${found.length} blocks with ${text}`)
  return Object.entries(changes).reduce((yaml, [from, to]) => {
    if (!yaml.includes(from)) throw new Error(`the block with ${text} of ${page} does not say ${from}`)
    return yaml.replaceAll(from, to)
  }, found[0] as string)
}
