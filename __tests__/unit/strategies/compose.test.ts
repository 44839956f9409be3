import { describe, expect, it } from 'vitest'
import { judgeContainers } from '../../../src/health/judge.ts'
import { findRelease } from '../../../src/pipeline/find-release.ts'
import { engineFunctions, parseEngine } from '../../../src/remote/engine.ts'
import type { ReleaseRecord } from '../../../src/remote/state.ts'
import { explain } from '../../../src/strategies/compose/explain.ts'
import { mounted } from '../../../src/strategies/compose/sources.ts'
import { scratch } from '../../helpers/scratch.ts'
import { writeTree } from '../../helpers/tree.ts'

describe('what containers mount from the folder of the project is data', () => {
  const cases: [string, string, string[]][] = [
    ['short', 'services: { a: { volumes: ["./data:/d", "./logs/a:/l:ro"] } }', ['/data', '/logs/a']],
    ['long', 'services: { a: { volumes: [{ type: bind, source: ./db, target: /d }] } }', ['/db']],
    ['default', `services: { a: { volumes: ["\${DATA:-./rows}:/d"] } }`, ['/rows']],
    ['in the source', 'services: { a: { volumes: ["./conf:/c"] } }', []],
    ['named, absolute, above, all', 'services: { a: { volumes: ["v:/v", "/srv/x:/x", "../x:/x", ".:/app"] } }', []],
    ['unknown', `services: { a: { volumes: ["\${DATA}:/d", 3, null] } }`, []],
    ['no Compose file', '- 1', []],
    ['no YAML', 'services: [', []],
  ]
  it.each(cases)('%s', async (_, text, wanted) => {
    await using source = await scratch('mounted')
    await writeTree(source.path, { 'compose.yaml': text, 'conf/x': '' })
    expect(mounted(source.path, [])).toEqual(wanted)
  })
  it('relative to the file that says it', async () => {
    await using source = await scratch('mounted')
    await writeTree(source.path, { 'deploy/nas.yml': 'services: { a: { volumes: ["./data:/d"] } }' })
    expect(mounted(source.path, ['deploy/nas.yml'])).toEqual(['/deploy/data'])
  })
})

describe('a whole application', () => {
  const web = 'running|healthy|0|t1|0|always|/shop-web-1'
  const job = 'exited||0|t2|0|no|/shop-job-1'
  it('is healthy when all run, and one-shots are done', () => {
    expect(judgeContainers(`${web}\n${job}`, true)).toMatchObject({ healthy: true, incarnation: 't1/0 t2/0' })
  })
  it('says which container is ill', () => {
    const ill = judgeContainers(`${web}\nexited||0|t2|7|no|/shop-job-1`, true)
    expect(ill).toMatchObject({ healthy: false, final: true, seen: 'shop-job-1: exited, exit 7' })
  })
  it('is not healthy when nothing runs any more', () => {
    expect(judgeContainers(job, true).healthy).toBe(false)
    expect(judgeContainers(job).healthy).toBe(true)
  })
})

describe('the engine', () => {
  const said = (text: string) => new Map(text.split('\n').map((line) => line.split('=') as [string, string]))
  it('is called as root where only root may, and by its own docker-compose where there is no plugin', () => {
    const engine = parseEngine(
      said(
        'engine.docker=/usr/local/bin/docker\nengine.sudo=true\nengine.version=20.10.23\nengine.compose=/usr/local/bin/docker-compose\nengine.compose.version=v1.29.2\nupdater.watchtower=container',
      ),
    )
    expect(engine).toMatchObject({ version: '20.10.23', compose: { version: '1.29.2' }, updaters: ['watchtower'] })
    expect(engineFunctions(engine)).toBe(
      'hd_docker() { sudo -n /usr/local/bin/docker "$@"; }\nhd_compose_tool() { sudo -n /usr/local/bin/docker-compose "$@"; }\n',
    )
  })
})

it.each([
  ['build', 'hd-failed: fetch\tghcr.io/a/b:1\nError response from daemon: unauthorized', 'HD-IMAGE-01'],
  ['build', 'Error: manifest unknown\nhd-failed: fetch\tghcr.io/a/b:1', 'HD-IMAGE-02'],
  ['build', 'dial tcp 10.0.0.1:443: connect: connection refused\nhd-failed: fetch\ta', 'HD-IMAGE-03'],
  ['apply', 'dependency failed to start: container a-db-1 is unhealthy', 'HD-COMPOSE-04'],
  ['migrate', 'anything', undefined],
])('a failed %s: %s', (phase, output, code) => {
  expect(explain(phase, output)?.code).toBe(code)
})

it('a release is found by the digest of an image that it runs', () => {
  const releases = ['r2', 'r1'].map((id) => ({ id, revision: id, at: id }) as ReleaseRecord)
  const state = { current: 'r2', pending: '', releases, digests: ['r1 sha256:abcd1234', 'r2 sha256:ffff'] }
  expect(findRelease(state, 'ghcr.io/a/b@sha256:abcd12').id).toBe('r1')
  expect(() => findRelease(state, 'sha256:9999')).toThrow(/No release/)
})
