import { readBackupLine } from '../backup-line.ts'
import { block, list, oneLine } from '../form.ts'
import { choice, duration, flag, integer, script, webAddress, word } from '../forms.ts'
import { readHealthLine } from '../health-line.ts'
import { readReleaseName } from '../names.ts'
import type { InputSpec } from '../spec.ts'

/** What happens around the change, and what is reported of it. */
export const operation = {
  backup: {
    group: 'data',
    description:
      'What to back up before the change, one a line: `tar: PATH…`, `sqlite: FILE` or `postgres: DB`, with `keep=N` and `as=USER`.',
    form: list('', readBackupLine),
  },
  migrate: {
    group: 'data',
    description: 'Shell text run in `path` after the backup and before activation.',
    form: script,
  },
  before: { group: 'data', description: 'Shell text run in `path` on the host first of all.', form: script },
  after: { group: 'data', description: 'Shell text run in `path` on the host after success.', form: script },
  health: {
    group: 'health',
    description:
      'What has to be healthy, one check a line: a URL, `tcp:`, `unit:`, `container:`, `log:` or `command:`.',
    otherwise: "the strategy's own units or services",
    form: list('', readHealthLine),
  },
  'health-timeout': {
    group: 'health',
    description: 'How long it may take until everything is healthy.',
    default: '120s',
    form: duration('1s', '24h'),
  },
  'health-stable': {
    group: 'health',
    description: 'How long it must stay healthy.',
    default: '10s',
    form: duration('0s', '24h'),
  },
  rollback: {
    group: 'safety',
    description:
      'What to do when the new version fails: put the old one back (`auto`), also restore the backup (`data`), or nothing (`off`).',
    default: 'auto',
    form: choice(['auto', 'off', 'data']),
  },
  'confirm-timeout': {
    group: 'safety',
    description: 'The host restores itself when nobody confirms within this time of activation.',
    default: '180s',
    form: duration('10s', '24h'),
  },
  'lock-timeout': {
    group: 'safety',
    description: 'How long to wait for another deploy of the same `name`.',
    default: '15m',
    form: duration('0s', '24h'),
  },
  keep: {
    group: 'safety',
    description: 'How many releases are kept on the host.',
    default: '5',
    form: integer(1, 1_000),
  },
  'allow-downgrade': {
    group: 'safety',
    description: 'Deploy a commit that does not descend from the one that runs.',
    default: 'false',
    form: flag,
  },
  force: {
    group: 'safety',
    description: 'Deploy although nothing changed, and migrate although that was done before.',
    default: 'false',
    form: flag,
  },
  sudo: {
    group: 'safety',
    description: 'Whether commands that need root go through sudo.',
    default: 'auto',
    form: choice(['auto', 'always', 'never']),
  },
  'if-unconfigured': {
    group: 'safety',
    description: 'What to do when secrets are absent, as in a fork.',
    default: 'fail',
    form: choice(['fail', 'skip']),
  },
  'fail-on-drift': {
    group: 'safety',
    description: 'For `mode: status`: fail when what runs is not what was deployed, instead of a warning.',
    default: 'false',
    form: flag,
  },
  'require-release': {
    group: 'safety',
    description:
      'A `target` on which this very commit must be healthy first: one of the config file, or a host written as `host`.',
    form: word,
  },
  to: {
    group: 'rollback',
    description: 'What to go back to: a release id, a commit or its beginning, an image digest or a generation.',
    otherwise: 'the last healthy release before the one that runs',
    form: oneLine('', '', readReleaseName),
  },
  environment: {
    group: 'report',
    description: 'The name of the environment, shown in the summary. Without it, that of `target`.',
    form: oneLine('', '', (text, refuse) =>
      text.length > 255 ? refuse('is too long', 'Use at most 255 characters.', text) : text,
    ),
  },
  url: { group: 'report', description: 'Where the application is found, shown in the summary.', form: webAddress },
  'github-token': {
    group: 'report',
    description: 'The token for `comment`, `deployment` and `verify: attestation`, usually `github.token`.',
    secret: true,
    form: block('', '', (text) => text.trim()),
  },
  comment: {
    group: 'report',
    description:
      'Write what `mode: plan` found into one comment on the pull request, which the next run replaces. Needs `github-token` with `permissions: pull-requests: write`.',
    default: 'false',
    form: flag,
  },
  deployment: {
    group: 'report',
    description:
      'Show `deploy` and `rollback` among the Deployments of GitHub, for jobs without `environment:`. Needs `github-token` with `permissions: deployments: write`.',
    default: 'false',
    form: flag,
  },
} as const satisfies Record<string, InputSpec>
