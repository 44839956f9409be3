import { type InputName, inputNames, specs } from '../../src/inputs/spec.ts'
import { describe } from './action.ts'

/** The JSON Schema of the config file, for completion and checks in editors; the action itself judges with its own parsers. */
export function configSchema(): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'homelab-deploy config file',
    description: 'Inputs of homelab-deploy that a repository keeps in a file. What the workflow gives wins.',
    type: 'object',
    additionalProperties: false,
    properties: {
      defaults: { $ref: '#/definitions/inputs', description: 'Inputs of all targets.' },
      targets: {
        description: 'Inputs of one target, chosen by the input `target`; they win over the defaults.',
        type: ['object', 'null'],
        propertyNames: { pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' },
        additionalProperties: { $ref: '#/definitions/inputs' },
      },
    },
    definitions: {
      inputs: {
        type: ['object', 'null'],
        additionalProperties: false,
        properties: Object.fromEntries(
          inputNames.filter((name) => !specs[name].workflowOnly).map((name) => [name, property(name)]),
        ),
      },
    },
  }
  return `${JSON.stringify(schema, undefined, 2)}\n`
}

function property(name: InputName): Record<string, unknown> {
  const spec = specs[name]
  const description = describe(spec)
  if (spec.secret) return { description: `${description} Give it in the workflow: this file is committed.`, not: {} }
  return { description, ...spec.form.schema }
}
