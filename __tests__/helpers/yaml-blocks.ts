import { readFileSync } from 'node:fs'

/** The YAML that a page shows to be copied: what people copy is what is tested. */
export function yamlBlocks(page: string): string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => text)
}
