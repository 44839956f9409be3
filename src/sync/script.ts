import { assign } from '../shell.ts'
import { kit } from './kit.ts'
import { alwaysExcluded, alwaysProtected, Patterns } from './patterns.ts'

/** Where things are on the host during one deploy. All absolute. */
export interface Places {
  /** The state directory of the application. */
  readonly state: string
  /** The live tree. */
  readonly path: string
  /** The directory of the release to go to: `tree/`, `manifest`, `scripts/`, `files/`. */
  readonly release: string
  /** The directory of the release that runs; empty when there is none. */
  readonly previous: string
  /** Where the lists are made: in the state directory, unless nothing may be written there. */
  readonly work?: string
}

export interface Filters {
  readonly exclude: readonly string[]
  readonly protect: readonly string[]
}

/** The head of every script that touches the tree: its places, its patterns, and the kit. */
export function treeScript(places: Places, filters: Filters): string {
  const excluded = excludedBy(filters).findTest()
  const protectedOnes = protectedBy(filters).findTest()
  return [
    assign({
      path: places.path,
      state: places.state,
      work: places.work ?? `${places.state}/work`,
      release: places.release,
      tree: `${places.release}/tree`,
      prev: places.previous,
    }),
    'hd_scope=live',
    `hd_find() { if [ "$hd_scope" = tree ]; then find . -name . -o '(' ${excluded} ')' -prune -o "$@"; else find . -name . -o '(' ${excluded} -o ${protectedOnes} ')' -prune -o "$@"; fi; }`,
    `hd_held() { find . -name . -o '(' ${excluded} -o ${protectedOnes} ')' -prune -print; }`,
    kit,
  ].join('\n')
}

export function excludedBy({ exclude }: Filters): Patterns {
  return new Patterns([...alwaysExcluded, ...exclude])
}

export function protectedBy({ protect }: Filters): Patterns {
  return new Patterns([...alwaysProtected, ...protect])
}
