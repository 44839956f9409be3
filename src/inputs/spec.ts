import type { Form } from './form.ts'
import { code } from './spec/code.ts'
import { connection } from './spec/connection.ts'
import { operation } from './spec/operation.ts'
import { tailnet } from './spec/tailnet.ts'
import { tools } from './spec/tools.ts'

/** One input: everything that is said about it anywhere comes from here (`npm run docs` writes it out). */
export interface InputSpec {
  readonly group: string
  /** One sentence, without the default. */
  readonly description: string
  readonly form: Form
  /** As somebody would write it. */
  readonly default?: string
  /** What happens without it, in words, where that is not a fixed value. */
  readonly otherwise?: string
  /** Masked, never shown, and refused in a file that is committed. */
  readonly secret?: true
  /** Has no place in the config file. */
  readonly workflowOnly?: true
}

const inputs = { ...connection, ...tailnet, ...code, ...tools, ...operation } as const satisfies Record<
  string,
  InputSpec
>

export type InputName = keyof typeof inputs

/** Every input, with the type that its form reads. */
export type Values = { readonly [K in InputName]: (typeof inputs)[K]['form'] extends Form<infer T> ? T : never }

export const inputNames = Object.keys(inputs) as InputName[]

/** The same table for those who treat all inputs alike. */
export const specs: Readonly<Record<InputName, InputSpec>> = inputs

export function isInputName(name: string): name is InputName {
  return Object.hasOwn(inputs, name)
}
