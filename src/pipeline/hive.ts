import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DeployError } from '../errors.ts'
import { showAddress } from '../remote/target.ts'
import { runTool } from '../runner/exec.ts'
import { Colmena } from './colmena.ts'
import type { Context } from './context.ts'
import { bringsNew, type HivePlan } from './plan.ts'
import { removeSecretFiles, writeSecretFiles } from './runner-secrets.ts'

/** Where the hosts come from a hive: its secret files are there from now to the end of the run, and its nodes are the targets. */
export async function enterHive(outside: Context, open: AsyncDisposableStack): Promise<Context> {
  const { plan, recorder, step } = outside
  if (plan.hive === undefined || plan.targets.length > 0) return outside
  await plantSecrets(outside, plan.hive, open)
  const colmena = new Colmena(outside, plan.hive)
  const targets = await step('Evaluate the hive', async (row) => await colmena.evaluate(row, bringsNew(plan.mode)))
  Object.assign(recorder, { hosts: targets.map(({ address }) => showAddress(address)) })
  outside.rememberTargets(targets.map(({ address }) => address))
  return { ...outside, plan: { ...plan, targets }, colmena }
}

async function plantSecrets(context: Context, { files }: HivePlan, open: AsyncDisposableStack): Promise<void> {
  const { source } = context.plan.sync
  if (files.length === 0) return
  if (isFlake(source) && !(await isGit(source))) {
    throw new DeployError('HD-HIVE-05', 'The secret files would enter the Nix store.', {
      why: 'The hive is a flake outside of git, and Nix takes such a folder into its store as a whole, where everybody may read it.',
      fix: 'Let `source` be a git checkout (`actions/checkout`): of that Nix takes what git tracks, and no more.',
    })
  }
  await context.step('Write the secret files', async ({ note }) => {
    const written = await writeSecretFiles(source, files, (files) => context.rememberSecrets(files))
    open.defer(async () => {
      await removeSecretFiles(written)
      context.rememberSecrets({ files: [], folders: [] })
    })
    note(`${files.length} on the runner, until the end of this run`)
  })
}

/** colmena, too, looks for it in the folders above. */
function isFlake(folder: string): boolean {
  return existsSync(join(folder, 'flake.nix')) || (dirname(folder) !== folder && isFlake(dirname(folder)))
}

async function isGit(folder: string): Promise<boolean> {
  const args = ['-c', 'safe.directory=*', '-C', folder, 'rev-parse', '--show-toplevel']
  const { code } = await runTool('git', args).catch(() => ({ code: 1 }))
  return code === 0
}
