import { codes } from '../../src/codes.ts'

/** One heading a code, so that `docs/errors.md#hd-ssh-01` leads to its entry. */
export function errorsPage(): string {
  const entries = Object.entries(codes).map(
    ([code, { title, cause, fix }]) => `## ${code}\n\n**${title}.** ${cause}\n\n${fix}\n`,
  )
  return `# Errors

Generated from \`src/codes.ts\` by \`npm run docs\`.

Every failure has a code that never changes its meaning. It stands in the annotation, in the summary and in the JSON report.

${entries.join('\n')}`
}
