import { apply, diff, drift, inspect, prepare, registry, restore } from './compose/change.ts'
import { explain } from './compose/explain.ts'
import { configFunctions, foresee, foreseeImages } from './compose/foresee.ts'
import { build, imageFunctions, snapshot, tidy } from './compose/images.ts'
import { noCompose } from './compose/options.ts'
import { preflight } from './compose/preflight.ts'
import { projectHead } from './compose/project.ts'
import { mounted } from './compose/sources.ts'
import type { Strategy } from './strategy.ts'

/** Containers of a Compose project, on a server or a NAS. */
export const compose: Strategy = {
  name: 'compose',
  summary: 'Containers by Docker Compose, with every image held by its digest.',
  markers: ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'],
  needs: [
    {
      name: 'docker',
      on: 'host',
      hint: 'Install Docker on the host; on a NAS install Container Manager or Container Station.',
    },
  ],
  checks: () => ['container:*'],
  protects: ({ compose: options = noCompose }, source) => [
    '/data',
    '/logs',
    '/backups',
    ...mounted(source, options.files),
  ],
  compile: ({ compose: options = noCompose }, facts) => {
    const { engine, state } = facts
    const head = projectHead(options, engine, state.split('/').at(-1) ?? '')
    const images = head + imageFunctions
    return {
      environment: '',
      preflight: head + preflight(facts),
      snapshot: head + snapshot,
      build: images + build,
      prepare: head + prepare,
      apply: images + apply,
      restore: images + restore,
      keep: '',
      tidy: head + tidy,
      inspect: head + inspect,
      diff: images + diff,
      drift: head + drift,
      foresee: images + configFunctions + foresee + foreseeImages(registry),
    }
  },
  explain,
}
