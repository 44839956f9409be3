import type { Engine } from '../../src/remote/engine.ts'

/** A host without Docker. */
export const noEngine: Engine = {
  docker: '',
  sudo: false,
  version: '',
  problem: '',
  updaters: [],
  compose: { by: '', version: '' },
}
