import { readFileSync } from 'node:fs'

interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly minimum?: number
  readonly format?: string
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly $defs?: Readonly<Record<string, Schema>>
}
export const schema: Schema = JSON.parse(
  readFileSync(new URL('../../docs/report.schema.json', import.meta.url), 'utf8'),
)

/** What is wrong with a report. Empty when it is as published. */
export function problemsOf(report: unknown): string[] {
  return problems(report, schema)
}

/** What is wrong with a value. Stricter than the schema: a field that it does not name is a mistake of ours. */
function problems(value: unknown, rule: Schema, at = 'report'): string[] {
  if (rule.$ref) return problems(value, schema.$defs?.[rule.$ref.replace('#/$defs/', '')] ?? { const: rule.$ref }, at)
  if (rule.const !== undefined) return value === rule.const ? [] : [`${at} is not ${rule.const}`]
  if (rule.enum) return rule.enum.includes(value) ? [] : [`${at} is none of the words`]
  if (rule.type === 'array') {
    if (!Array.isArray(value)) return [`${at} is no array`]
    return value.flatMap((each, index) => problems(each, rule.items ?? {}, `${at}[${index}]`))
  }
  if (rule.type === 'object') {
    if (typeof value !== 'object' || value === null) return [`${at} is no object`]
    const missing = (rule.required ?? []).filter((key) => !(key in value)).map((key) => `${at}.${key} is missing`)
    return [
      ...missing,
      ...Object.entries(value).flatMap(([key, each]) => {
        const known = rule.properties?.[key]
        return known ? problems(each, known, `${at}.${key}`) : [`${at}.${key} is not in the schema`]
      }),
    ]
  }
  if (rule.type === 'integer' && !Number.isInteger(value)) return [`${at} is no integer`]
  if (rule.type === 'integer' || rule.type === 'number') {
    if (typeof value !== 'number') return [`${at} is no number`]
    return value < (rule.minimum ?? value) ? [`${at} is less than ${rule.minimum}`] : []
  }
  if (typeof value !== rule.type) return [`${at} is no ${rule.type}`]
  if (rule.format === 'date-time' && !/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(String(value))) return [`${at} is no time`]
  if (rule.pattern && !new RegExp(rule.pattern).test(String(value))) return [`${at} does not match`]
  return []
}
