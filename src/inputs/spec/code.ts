import { syncMethods } from '../../sync/options.ts'
import { readDotenv } from '../dotenv.ts'
import { block, list, oneLine } from '../form.ts'
import { choice, integer } from '../forms.ts'
import { readHostDirectory, readPattern, readRelativeFile, readSource } from '../paths.ts'
import { secretFiles } from '../secret-files.ts'
import type { InputSpec } from '../spec.ts'

/** What is sent to the host. */
export const code = {
  source: {
    group: 'code',
    description: 'The directory on the runner that is sent, in the workspace or the temporary directory of the runner.',
    default: '.',
    form: oneLine('', '.', readSource),
  },
  path: {
    group: 'code',
    description: 'The directory on the host, of this application alone: absolute, or in the home of the user as `~/…`.',
    form: oneLine('', '', readHostDirectory, { pattern: '^(/|~/)' }),
  },
  sync: {
    group: 'code',
    description:
      'How the code gets there: `git` pushes the exact commit over the same connection (the host needs no access to the forge), `tar` is for hosts without rsync or git.',
    default: 'auto',
    form: choice(syncMethods),
  },
  exclude: {
    group: 'code',
    description:
      'Patterns of what is not sent, one a line: names at any depth, or with a `/` paths from the root of the tree.',
    form: list('', readPattern),
  },
  protect: {
    group: 'code',
    description:
      'Patterns of what is never deleted or overwritten on the host, besides `.env*` and `.venv`, which never are.',
    form: list('', readPattern),
  },
  'delete-limit': {
    group: 'code',
    description: 'Stop rather than delete more files than this on the host.',
    default: '1000',
    form: integer(0, 1_000_000_000),
  },
  'env-file': {
    group: 'code',
    description: 'Dotenv text, written to `env-path` atomically with mode 600; every value in it is masked.',
    secret: true,
    form: block('', '', readDotenv),
  },
  'env-path': {
    group: 'code',
    description: 'Where `env-file` goes, relative to `path`.',
    default: '.env',
    form: oneLine('', '.env', readRelativeFile),
  },
  'secret-files': {
    group: 'code',
    description: 'Files written with mode 600, one a line as `path <- base64`, relative to `path` or absolute.',
    secret: true,
    form: secretFiles,
  },
} as const satisfies Record<string, InputSpec>
