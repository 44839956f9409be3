import { explain as explainNix } from '../nix/explain.ts'
import type { Explained } from '../strategy.ts'

/** What is colmena's own; what Nix and the activation say is told as for every NixOS. */
export function explain(phase: string, output: string): Explained | undefined {
  const key = /^The key (\S+) has not come from the runner\.$/m.exec(output)?.[1]
  if (key === undefined) return explainNix(phase, output)
  return {
    code: 'HD-HIVE-06',
    what: `The key ${key} did not arrive.`,
    why: 'colmena said that it uploaded the keys, and the file is not there, or is the old one.',
    fix: 'Compare `deployment.keys` of the node with what `colmena upload-keys` does; a `path` of its own has to be writable by root.',
  }
}
