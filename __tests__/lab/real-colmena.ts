import { cp } from 'node:fs/promises'
import { join } from 'node:path'

interface RealColmena {
  readonly program: string
  /** Puts what its hives are evaluated by into their repository, as the inputs of a flake would. */
  bring(folder: string): Promise<void>
}

const { HOMELAB_COLMENA: colmena, HOMELAB_NIXPKGS: nixpkgs } = process.env

/**
 * The lab has no colmena, which needs nixpkgs. Where somebody has both, the stories of the hive are told with them: a checkout of
 * colmena with its program built, and one of nixpkgs (or of nixpkgs.lib), of which `lib` is taken.
 */
export const realColmena: RealColmena | undefined =
  colmena && nixpkgs
    ? {
        program: join(colmena, 'target/release/colmena'),
        bring: async (folder) => {
          await cp(join(nixpkgs, 'lib'), join(folder, 'nixpkgs/lib'), { recursive: true })
          for (const name of ['eval.nix', 'options.nix', 'modules.nix'])
            await cp(join(colmena, 'src/nix/hive', name), join(folder, 'colmena', name))
        },
      }
    : undefined
