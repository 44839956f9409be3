import { stringify } from 'yaml'
import { outputs } from '../../src/inputs/outputs.ts'
import { type InputSpec, inputNames, specs } from '../../src/inputs/spec.ts'

/**
 * action.yml. It holds no `default:`: the runner would pass a default as if somebody had given it, and a value of the
 * config file could no longer win over it. The defaults are in the descriptions, and take effect in src/inputs.
 */
export function actionYaml(): string {
  const action = {
    name: 'Homelab Deploy',
    description: 'One step that turns a push into a healthy service on your homelab, and takes it back when it is not.',
    author: 'homelab-deploy',
    branding: { icon: 'server', color: 'blue' },
    inputs: Object.fromEntries(inputNames.map((name) => [name, { description: describe(specs[name]) }])),
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, description]) => [name, { description }])),
    runs: { using: 'node24', main: 'dist/index.js', post: 'dist/index.js', 'post-if': 'always()' },
  }
  return `# Generated from src/inputs/spec by \`npm run docs\`: edit it there.\n${stringify(action, { lineWidth: 0 })}`
}

/** All of an input in one text. */
export function describe({ description, default: value, otherwise, secret }: InputSpec): string {
  const otherwiseIs = value === undefined ? otherwise : `\`${value}\``
  return [
    description,
    ...(otherwiseIs === undefined ? [] : [`Default: ${otherwiseIs}.`]),
    ...(secret ? ['Secret.'] : []),
  ].join(' ')
}
