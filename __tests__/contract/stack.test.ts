import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { engineFunctions } from '../../src/remote/engine.ts'
import { assign } from '../../src/shell.ts'
import { lookFunctions } from '../../src/strategies/compose/preflight.ts'
import { stackLook } from '../../src/strategies/compose/swarm.ts'
import { noEngine } from '../helpers/engine.ts'
import { LocalHost, shells } from '../helpers/local-host.ts'
import { scratch } from '../helpers/scratch.ts'

it.concurrent.each(shells())('$name: HD-STACK-01 is all that a host says which manages no Swarm', async (shell) => {
  await using folder = await scratch('no-swarm')
  const docker = join(folder.path, 'docker')
  await writeFile(docker, '#!/bin/sh\n[ "$1" = info ] && echo false\n')
  await chmod(docker, 0o755)
  const look = assign({ work: folder.path }) + engineFunctions({ ...noEngine, docker }) + lookFunctions + stackLook
  const { code, text } = await new LocalHost(shell).run(look)
  expect(code).toBe(0)
  expect(text).toMatch(/^refuse HD-STACK-01\tThis host is no manager of a Swarm\.\t[^\n]*\n$/)
})
