import type { Report } from '../../../src/report/report.ts'

/** Every field is filled, so that the schema test sees all of them. */
export const deployed: Report = {
  schema: 1,
  result: 'deployed',
  mode: 'deploy',
  name: 'shop',
  strategy: 'compose',
  environment: 'production',
  url: 'https://shop.example.org/',
  hosts: ['deploy@web1'],
  system: 'Debian 13, x86_64, systemd',
  hostKey: 'SHA256:AbCdEf',
  network: 'direct, 2 ms',
  jump: 'deploy@gate',
  path: '/srv/shop',
  before: { id: '20260101-120000-a1b2c3d', revision: 'a1b2c3d4e5f60718293a4b5c6d7e8f9012345678', subject: 'Old' },
  after: {
    id: '20260102-120000-e4f5a6b',
    revision: 'e4f5a6b7c8d90718293a4b5c6d7e8f9012345678',
    subject: 'Sell *pears* (#12)',
  },
  changed: true,
  changes: {
    added: ['app/pears.py'],
    changed: ['compose.yaml', 'app/shop.py'],
    removed: ['app/apples.py'],
    counts: { added: 1, changed: 2, removed: 1 },
    bytesSent: 41_000,
  },
  commits: {
    commits: [
      { revision: 'e4f5a6b7c8d90718293a4b5c6d7e8f9012345678', subject: 'Sell *pears* (#12)' },
      { revision: 'b7c8d90718293a4b5c6d7e8f9012345678e4f5a6', subject: 'Take the apples out' },
    ],
    others: '3 more',
  },
  usual: { runs: 8, durationMs: 21_000 },
  steps: [
    { name: 'connect', startedMs: 0, durationMs: 840, result: 'ok', note: 'OpenSSH 9.2' },
    { name: 'sync the code', startedMs: 840, durationMs: 1_200, result: 'ok', note: '4 files, 40 KiB' },
    { name: 'backup', startedMs: 2_040, durationMs: 0, result: 'skipped', note: 'none asked for' },
    { name: 'apply', startedMs: 2_040, durationMs: 12_300, result: 'ok', note: '' },
    { name: 'health', startedMs: 14_340, durationMs: 10_400, result: 'ok', note: '' },
  ],
  health: [{ check: 'http://localhost:8080/health', healthy: true, seen: '200 in 12 ms', latencyMs: 12 }],
  warnings: ['The disk is 91 % full.'],
  notes: [],
  run: {
    repository: 'me/shop',
    sha: 'e4f5a6b7c8d90718293a4b5c6d7e8f9012345678',
    ref: 'refs/heads/main',
    actor: 'me',
    workflow: 'Deploy',
    workflowFile: 'deploy.yml',
    url: 'https://github.com/me/shop/actions/runs/7',
  },
  startedAt: '2026-01-02T12:00:00.000Z',
  durationMs: 24_740,
}

export const rolledBack: Report = {
  ...deployed,
  result: 'rolled-back',
  changed: false,
  steps: deployed.steps.map((step) =>
    step.name === 'health' ? { ...step, result: 'failed', note: '1 of 1 fails' } : step,
  ),
  health: [{ check: 'http://localhost:8080/health', healthy: false, seen: '502 for 60 s', latencyMs: 9 }],
  healthAfter: [{ check: 'http://localhost:8080/health', healthy: true, seen: '200 in 11 ms', latencyMs: 11 }],
  failure: {
    code: 'HD-HEALTH-01',
    step: 'health',
    what: 'http://localhost:8080/health did not become healthy within 60 s.',
    why: 'It answered 502 to the end.',
    fix: 'Read the logs of the service on the host:\n\ncd /srv/shop\ndocker compose logs --tail 50 web',
    detail: '',
  },
  warnings: [],
  notes: [
    {
      title: 'Logs of the time, before the old version was put back',
      text: 'web-1  | ImportError: no module named pears\nweb-1 exited with code 1',
    },
  ],
}

export const rollbackFailed: Report = {
  ...rolledBack,
  result: 'rollback-failed',
  changed: true,
  rollbackFailure: {
    code: 'HD-ROLL-01',
    step: 'restore',
    what: 'The old images could not be started.',
    why: 'no space left on device',
    fix: 'Free some space and run `docker compose up -d`.',
    detail: 'cp: cannot create regular file: No space left on device',
  },
}

const past = [24_000, 21_000, 19_500].map((durationMs, index) => ({
  at: `2026-01-0${3 - index}T12:00:00Z`,
  result: 'deployed',
  mode: 'deploy',
  revision: 'a1b2c3d4e5f60718293a4b5c6d7e8f9012345678',
  durationMs,
  activateMs: 4_000,
}))

/** Who only looks has changed nothing, and what is found is told for each host. */
const { changes, commits, usual: _, before, ...looking } = deployed

export const planned: Report = {
  ...looking,
  ...(before && { before }),
  result: 'planned',
  mode: 'plan',
  changed: false,
  warnings: [],
  notes: [],
  after: { id: '', revision: 'e4f5a6b7c8d90718293a4b5c6d7e8f9012345678', subject: 'Sell *pears* (#12)' },
  plan: [
    {
      host: 'deploy@web1',
      obstacles: [],
      unchanged: false,
      edited: [],
      files: ['.env'],
      otherCommits: '3 more',
      ...(changes && { changes }),
      commits: commits?.commits ?? [],
      does: ['~ web: ghcr.io/me/shop@sha256:1111 → sha256:2222', '+ worker: ghcr.io/me/worker@sha256:3333'],
      env: { added: ['PEAR_PRICE'], removed: ['APPLE_PRICE'] },
      interrupts: ['web is started anew'],
      commands: ['backup: sqlite: data/shop.db', 'migrate'],
      notes: [],
      past,
    },
  ],
}

export const drifted: Report = {
  ...looking,
  result: 'unhealthy',
  mode: 'status',
  changed: false,
  warnings: [],
  notes: [],
  health: rolledBack.health,
  status: [
    {
      host: 'deploy@web1',
      release: {
        id: '20260102-120000-e4f5a6b',
        revision: 'e4f5a6b7c8d90718293a4b5c6d7e8f9012345678',
        ref: 'refs/heads/main',
        actor: 'me',
        run: 'https://github.com/me/shop/actions/runs/7',
        madeAt: '2026-01-02T12:00:00Z',
        since: '2026-01-02T12:00:24Z',
      },
      running: ['web  ghcr.io/me/shop@sha256:2222  running since 2026-01-02'],
      drift: [{ kind: 'file', text: 'compose.yaml was edited' }],
      standing: [],
      releases: [
        {
          id: '20260101-120000-a1b2c3d',
          at: '2026-01-01T12:00:00Z',
          revision: 'a1b2c3d4e5f60718293a4b5c6d7e8f9012345678',
        },
      ],
      past,
    },
  ],
}
