import { type Document, isAlias, isScalar, isSeq, type Scalar } from 'yaml'

/** What stands at an anchor, for an alias; anything else itself. Undefined is an alias without an anchor. */
export function resolveAlias(node: unknown, document: Document): unknown {
  return isAlias(node) ? node.resolve(document) : node
}

/**
 * A value of the config file as text, exactly as it is written, so that `to: 0012` and `to: 1e5` stay commits and both
 * ways in share one parser per input. Undefined where there is nothing; a string says what is wrong.
 */
export function readValue(value: unknown, document: Document): { text: string; items?: string[] } | string | undefined {
  const node = resolveAlias(value, document)
  if (node === null) return undefined
  if (node === undefined) return 'begins with `*`, which YAML reads as a reference: put it in quotes'
  if (isScalar(node)) {
    const text = textOf(node)
    return text.trim() === '' ? undefined : { text }
  }
  if (!isSeq(node)) return 'holds a mapping'
  const items: string[] = []
  for (const each of node.items) {
    const item = resolveAlias(each, document)
    if (item === undefined)
      return 'holds an item that begins with `*`, which YAML reads as a reference: put it in quotes'
    if (!isScalar(item)) return 'holds a list of something else than texts'
    const text = textOf(item)
    if (text.trim() === '') return 'holds a list with an empty item'
    items.push(text)
  }
  return items.length === 0 ? undefined : { text: items.join('\n'), items }
}

function textOf({ value, source }: Scalar): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'string' ? value : (source ?? String(value))
}
