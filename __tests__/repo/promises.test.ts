import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { textOf } from '../helpers/documents.ts'

// What the README says of "What happens when …", row by row, and the tests that show it: file, then a piece of the title.
const proofs: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  '`prepare` or `activate` fails': [['scenario/script-strategy', '%s: what ran runs again, with its env file']],
  '`backup` or `migrate` fails': [
    ['scenario/data', 'that cannot be backed up leaves the old version untouched'],
    ['scenario/data', 'after a migration that failed'],
    ['lab/data', 'come back when the migration fails in its middle'],
  ],
  'the new version is not healthy in time': [
    ['scenario/picture', 'the picture of the README'],
    ['lab/deploy', 'notices a broken version, goes back by itself'],
  ],
  'it starts, crashes and starts again': [
    ['unit/health/watch', 'is never healthy in a crash loop'],
    ['lab/uv', 'every way to be broken is taken back'],
  ],
  'the runner dies': [
    ['scenario/cancel', 'with its runner: the next run finds what was before'],
    ['lab/deploy', 'the host takes a deploy back by itself when the runner dies'],
  ],
  'the connection is lost': [['lab/lost', 'a command that runs by $by']],
  '… and the host cannot be reached again': [['scenario/connection-lost', 'a host that stays away: unknown']],
  'the deploy cuts its own network': [['lab/faults', '$fault $moment']],
  'the host reboots in the middle': [
    ['lab/faults', '$fault $moment'],
    ['lab/data', 'come back when the host reboots in the migration'],
  ],
  'the job is cancelled': [['scenario/cancel', 'in the middle of activate has taken the deploy back']],
  'one of several hosts fails': [
    ['scenario/several-hosts', 'takes all of them back when one of them fails'],
    ['scenario/several-hosts', 'never touches the others when the canary fails'],
  ],
  'the action is killed, the runner lives': [['scenario/cancel', 'is finished by post, when post still runs']],
  'any of these with `rollback: off`': [['scenario/script-strategy', 'rollback: off leaves the new version']],
  'the very first deploy fails': [['scenario/script-strategy', 'a first deploy leaves what was there before it']],
  'the way back itself fails': [['scenario/script-strategy', 'a way back that fails too is told as what it is']],
  'the old version is back, and is not healthy': [['scenario/rare-errors', 'HD-ROLL-03']],
  '`after` fails': [['scenario/script-strategy', 'after: the new version stays, and the job fails']],
  'nothing changed since the last deploy': [
    ['scenario/script-strategy', 'the same version again is left alone while it is healthy'],
  ],
  'a second deploy comes at the same time': [['scenario/lock', 'a second run waits for the first']],
  'GitHub or the network is down, and the version that runs is bad': [
    ['scenario/console', 'a person at the console takes back, without it and without a network'],
    ['lab/console', 'a service goes back at the console'],
  ],
  'somebody [holds the application](docs/rollback.md#keep-everybody-out)': [
    ['scenario/lock', 'while somebody holds it for maintenance'],
  ],
  'an old run is started again, or a branch without the commit that runs': [
    ['scenario/downgrade', 'a commit that does not descend from the one that runs is refused'],
  ],
  'the host shows another key': [['scenario/host-key', 'when it is another: shows both']],
  'the SSH key is not accepted any more': [
    ['scenario/refused-logins', 'that the host does not know: shows the one command that adds it to authorized_keys'],
  ],
  'the key for the tailnet is wrong, expired or used up': [['lab/tailnet', 'the key is wrong, expired, or used up']],
  'a secret is empty, as in a fork': [
    ['scenario/refused-inputs', 'a secret that is empty is an error that names it'],
    ['scenario/refused-inputs', 'is skipped only where that was asked for'],
  ],
  'the disk is too full': [
    ['scenario/refused-paths', 'is seen before anything is sent'],
    ['lab/faults', 'fills up %s'],
  ],
  'the registry is down, or does not know the image': [
    ['lab/compose-refused', 'what cannot work is refused while the old version runs on'],
    ['lab/compose', 'an old one by hand with the registry down'],
  ],
  'a package cannot be had, or the lock is stale': [
    ['lab/uv', 'every way to be broken is taken back without the network'],
    ['lab/uv', 'a network that is cut'],
  ],
  'the sync would delete over 1000 files': [
    ['scenario/sync-trees', 'is not deleted beyond delete-limit without consent'],
  ],
  'somebody edited files on the host': [['scenario/sync-trees', 'is named when somebody edited it']],
  'an input is wrong': [['scenario/refused-inputs', 'are told together, each with its fix']],
}

const readme = textOf('README.md')
const table = readme.slice(readme.indexOf('\n| When |'), readme.indexOf('\n## Health\n'))
const rows = [...table.matchAll(/^\| (.*?) \| /gm)].map(([, when = '']) => when).slice(1)

test('each row of the README has its proof, and no proof is without its row', () => {
  expect(rows.filter((when) => when !== '---')).toEqual(Object.keys(proofs))
})

test.each(Object.entries(proofs))('%s', (_, shown) => {
  for (const [file, title] of shown) expect(readFileSync(`__tests__/${file}.test.ts`, 'utf8')).toContain(title)
})
