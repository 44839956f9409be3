import { outputs } from '../../src/inputs/outputs.ts'
import { type InputName, inputNames, specs } from '../../src/inputs/spec.ts'
import { strategies } from '../../src/strategies/index.ts'

const titles: Record<string, string> = {
  what: 'What to deploy',
  where: 'Where, and how to get there',
  tailnet: 'Tailnet',
  code: 'Code and files',
  nix: 'NixOS',
  colmena: 'colmena',
  uv: 'uv and systemd',
  compose: 'Docker Compose and Swarm',
  script: 'Scripts of your own',
  data: 'Before and after',
  health: 'Health',
  safety: 'Safety',
  rollback: 'Rollback',
  report: 'Report',
}

export function inputsPage(): string {
  return `# Inputs and outputs

Generated from \`src/inputs/spec\` by \`npm run docs\`.

Every input is also a key of the config file (\`.github/homelab-deploy.yml\`), except the secrets, \`config\` and \`target\`. What the
workflow gives wins over the target, the target over \`defaults:\`, and these over the defaults below. An empty input counts as not given.
Editors check the config file with \`docs/config.schema.json\`.

Lists are one item a line, and a line that begins with \`#\` is a comment; in the config file they may be YAML lists. Commas separate items
too, except in patterns, arguments and other items that could hold one. Durations are written \`90s\`, \`5m\`, \`1h\`; booleans are \`true\` and \`false\`.

${inputTables(2)}
## Outputs

${outputTable()}`
}

/** A table for each group, in the order of the spec. */
function inputTables(level: number): string {
  return groups()
    .map(
      ([title, names]) => `${'#'.repeat(level)} ${title}\n\n${table(['Input', 'Meaning', 'Default'], names.map(row))}`,
    )
    .join('\n')
}

/** The names alone, group by group, each group with its place in docs/inputs.md. */
export function inputIndex(): string {
  const rows = groups().map(([title, names]) => {
    const anchor = title
      .toLowerCase()
      .replaceAll(/[^a-z -]/g, '')
      .replaceAll(' ', '-')
    return [`[${title}](docs/inputs.md#${anchor})`, names.map((name) => `\`${name}\``).join(', ')]
  })
  return table(['', 'Inputs'], rows)
}

function groups(): [string, InputName[]][] {
  return [...Map.groupBy(inputNames, (name) => specs[name].group)].map(([group, names]) => {
    const title = titles[group]
    if (title === undefined) throw new Error(`scripts/docs/tables.ts has no title for the group ${group}`)
    return [title, names]
  })
}

export function outputTable(): string {
  return table(
    ['Output', 'Meaning'],
    Object.entries(outputs).map(([name, description]) => [`\`${name}\``, description]),
  )
}

function row(name: InputName): string[] {
  const { description, form, default: value, otherwise, secret } = specs[name]
  const meaning = [description, form.says && `Form: ${form.says}.`, secret && 'Secret.'].filter(Boolean).join(' ')
  return [`\`${name}\``, meaning, value === undefined ? (otherwise ?? '') : `\`${value}\``]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('')
}

/** The strategies, with what they do. */
export function strategyTable(): string {
  const rows = strategies.map(({ name, summary }) => `| \`${name}\` | ${summary} |`)
  return ['| `strategy` | How the new version starts |', '| --- | --- |', ...rows].join('\n')
}
