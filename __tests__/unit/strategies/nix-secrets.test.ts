import { expect, it } from 'vitest'
import { noNix } from '../../../src/strategies/nix/options.ts'
import { buildOnRunner } from '../../../src/strategies/nix/runner.ts'
import { scratch } from '../../helpers/scratch.ts'
import { type Tree, writeTree } from '../../helpers/tree.ts'

/** What building this tree on the runner ends with: there is no host, so that nothing is built. */
async function build(tree: Tree, flake = '.#nas'): Promise<string> {
  await using folder = await scratch('secrets')
  await writeTree(folder.path, tree)
  const work = { options: { commands: [] }, source: folder.path, members: [], signal: new AbortController().signal }
  return await buildOnRunner({ ...noNix, flake, buildOn: 'runner' }, work).then(
    () => 'built',
    (error: Error) => error.message,
  )
}

it('secrets in a folder without git would enter the store of the runner, at whatever depth they lie', async () => {
  const secret = { 'flake.nix': '{}', 'app/.env.production': 'TOKEN=1' }
  expect(await build(secret)).toMatch(/^Secrets would enter the Nix store: app\/\.env\.production\./)
  expect(await build({ 'hosts/flake.nix': '{}', 'hosts/.env': 'A=1' }, './hosts#nas')).toMatch(/: \.env\./)
  // Beside the folder of the flake, which is all that Nix copies; in a repository, of which it copies what git knows; examples.
  expect(await build({ 'hosts/flake.nix': '{}', '.env': 'A=1' }, './hosts#nas')).toBe('built')
  expect(await build({ ...secret, '.git/HEAD': '' })).toBe('built')
  expect(await build({ 'flake.nix': '{}', '.env.example': 'A=' })).toBe('built')
  expect(await build({ '.env': 'A=1' }, 'github:acme/hosts#nas')).toBe('built')
})
