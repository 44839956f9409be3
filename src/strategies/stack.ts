import { registry } from './compose/change.ts'
import { explain } from './compose/explain.ts'
import { configFunctions, foresee, foreseeStack } from './compose/foresee.ts'
import { imageFunctions } from './compose/images.ts'
import { noCompose } from './compose/options.ts'
import { lookFunctions, noEngine } from './compose/preflight.ts'
import { projectHead } from './compose/project.ts'
import {
  stackApply,
  stackBuild,
  stackDiff,
  stackDrift,
  stackFunctions,
  stackInspect,
  stackLook,
  stackRestore,
  stackSnapshot,
  stackTidy,
} from './compose/swarm.ts'
import type { Strategy } from './strategy.ts'

/** Services of a Docker Swarm, deployed by one of its managers. */
export const stack: Strategy = {
  name: 'stack',
  summary: 'Services of a Docker Swarm, judged by what each task runs.',
  markers: ['docker-stack.yml', 'docker-stack.yaml', 'stack.yml', 'stack.yaml'],
  needs: [{ name: 'docker', on: 'host', hint: 'Install Docker on the host: https://docs.docker.com/engine/install/.' }],
  checks: () => ['container:*'],
  compile: ({ compose: options = noCompose }, facts) => {
    const { engine, state } = facts
    const head = projectHead(options, engine, state.split('/').at(-1) ?? '') + imageFunctions + stackFunctions
    return {
      environment: '',
      preflight: engine.version === '' ? noEngine(facts) : head + lookFunctions + stackLook,
      snapshot: head + stackSnapshot,
      build: head + stackBuild,
      prepare: '',
      apply: head + stackApply,
      restore: head + stackRestore,
      keep: '',
      tidy: head + stackTidy,
      inspect: head + stackInspect,
      diff: head + stackDiff,
      drift: head + stackDrift,
      foresee: head + configFunctions + foresee + foreseeStack(registry),
    }
  },
  explain,
}
