import type { OutputName } from '../report/outputs.ts'
import { results } from '../report/report.ts'

/** What action.yml and the tables say about each output. */
export const outputs: Readonly<Record<OutputName, string>> = {
  result: `How it ended: ${results.map((result) => `\`${result}\``).join(', ')}.`,
  release: 'The id of the release that serves now.',
  'previous-release': 'The id of the release that served before.',
  revision: 'The commit that serves now.',
  'previous-revision': 'The commit that served before.',
  changed: '`true` when the host serves something else than before.',
  url: 'Where the application is found: the input `url`.',
  'host-key': 'The known_hosts line of the key that the host showed.',
  'duration-ms': 'How long it took, in milliseconds.',
  report: 'The path of the JSON report on the runner.',
}
