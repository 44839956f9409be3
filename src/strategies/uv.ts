import type { Strategy } from './strategy.ts'
import { explain } from './uv/explain.ts'
import { foresee } from './uv/foresee.ts'
import { noUv } from './uv/options.ts'
import { preflight } from './uv/preflight.ts'
import { programsOf, rootCommands } from './uv/sudoers.ts'
import { unitScripts } from './uv/units.ts'
import { venvScripts } from './uv/venv.ts'

/** Python projects with a `uv.lock`, run by units of systemd. */
export const uv: Strategy = {
  name: 'uv',
  summary: 'Python by `uv sync` from the lock, run by systemd units.',
  markers: ['uv.lock'],
  needs: [
    {
      name: 'uv',
      on: 'host',
      least: '0.4.4',
      hint: 'Install it on the host: `curl -LsSf https://astral.sh/uv/install.sh | sh`.',
    },
  ],
  checks: ({ uv: options = noUv }) => options.services.map((unit) => `unit:${unit}`),
  compile: ({ uv: options = noUv }, facts) => {
    const programs = programsOf(facts)
    const venv = venvScripts(facts.tools['uv']?.path ?? 'uv', options.args)
    const units = unitScripts(options, programs)
    const head = `${venv.head}\n${units.head}\n`
    const commands = rootCommands(options, programs, facts.state)
    // Root, and who may be root for everything, is asked nothing.
    const asksSudo = facts.sudo === 'some' || facts.sudo === 'none'
    return {
      environment: venv.environment,
      preflight: units.head + preflight(facts.user.name, commands, asksSudo, options),
      snapshot: `${head}${venv.snapshot}${units.snapshot}`,
      build: `${head}${units.list}${venv.build}`,
      prepare: `${head}${venv.place}${units.reach}${venv.swap}`,
      apply: `${head}${units.activate}`,
      restore: `${head}${venv.back}${units.back}${venv.clear}`,
      keep: `${head}${venv.keep}`,
      tidy: '',
      inspect: `${units.head}${units.inspect}`,
      diff: `${head}${venv.changed}${units.changed}`,
      drift: `${head}${venv.changed}${units.changed}`,
      foresee: `${units.head}${foresee}`,
    }
  },
  explain,
}
