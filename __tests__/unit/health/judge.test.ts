import { describe, expect, it } from 'vitest'
import { type Check, parseCheck } from '../../../src/health/check.ts'
import { httpSample, judgeCommand, judgeContainers, judgeUnit } from '../../../src/health/judge.ts'

const unit = (values: Record<string, string>) =>
  Object.entries({
    Type: 'simple',
    RemainAfterExit: 'no',
    NRestarts: '0',
    Result: 'success',
    ExecMainStatus: '0',
    NeedDaemonReload: 'no',
    LoadState: 'loaded',
    InvocationID: '8a4f0e1c2b7d4c5e9f00112233445566',
    ...values,
  })
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')

describe('what `systemctl show` says of a unit', () => {
  it.each([
    ['runs', { ActiveState: 'active', SubState: 'running' }, true, false, 'active (running)'],
    [
      'has done its work',
      { Type: 'oneshot', RemainAfterExit: 'yes', ActiveState: 'active', SubState: 'exited' },
      true,
      false,
      'active (exited)',
    ],
    [
      'has done its work and went',
      { Type: 'oneshot', ActiveState: 'inactive', SubState: 'dead' },
      true,
      false,
      'inactive (dead)',
    ],
    [
      'is a one-shot that never ran',
      { Type: 'oneshot', ActiveState: 'inactive', SubState: 'dead', InvocationID: '' },
      false,
      false,
      'inactive (dead)',
    ],
    ['is a timer', { ActiveState: 'active', SubState: 'waiting', Type: '' }, true, false, 'active (waiting)'],
    ['is a socket', { ActiveState: 'active', SubState: 'listening', Type: '' }, true, false, 'active (listening)'],
    ['is a mount', { ActiveState: 'active', SubState: 'mounted', Type: '' }, true, false, 'active (mounted)'],
    ['starts', { ActiveState: 'activating', SubState: 'start' }, false, false, 'activating (start)'],
    [
      'waits for its next try',
      { ActiveState: 'activating', SubState: 'auto-restart', NRestarts: '3', Result: 'exit-code', ExecMainStatus: '1' },
      false,
      false,
      'activating (auto-restart), restarted 3 times, exit-code 1 (a crash loop)',
    ],
    [
      'was restarted',
      { ActiveState: 'active', SubState: 'running', NRestarts: '2' },
      true,
      false,
      'active (running), restarted 2 times',
    ],
    [
      'has another file than systemd knows',
      { ActiveState: 'active', SubState: 'running', NeedDaemonReload: 'yes' },
      true,
      false,
      'active (running), its file changed and systemd has not read it',
    ],
    [
      'never said that it is ready',
      { Type: 'notify', ActiveState: 'failed', SubState: 'failed', Result: 'timeout', ExecMainStatus: '0' },
      false,
      true,
      'failed (failed), timeout 0 (it did not say in time that it is ready)',
    ],
    ['was stopped', { ActiveState: 'inactive', SubState: 'dead' }, false, false, 'inactive (dead)'],
    [
      'has failed',
      { ActiveState: 'failed', SubState: 'failed', Result: 'exit-code', ExecMainStatus: '203' },
      false,
      true,
      'failed (failed), exit-code 203 (its program cannot be run)',
    ],
    [
      'gave up',
      { ActiveState: 'failed', SubState: 'failed', Result: 'start-limit-hit', NRestarts: '5', ExecMainStatus: '1' },
      false,
      true,
      'failed (failed), restarted 5 times, start-limit-hit 1 (started too often, so systemd gave up)',
    ],
  ])('%s', (_, values, healthy, final, seen) => {
    expect(judgeUnit(unit(values))).toMatchObject({ healthy, final, seen })
  })

  it('tells one run from the next', () => {
    const running = { ActiveState: 'active', SubState: 'running' }
    const first = judgeUnit(unit(running)).incarnation
    expect(judgeUnit(unit(running)).incarnation).toBe(first)
    expect(judgeUnit(unit({ ...running, NRestarts: '1' })).incarnation).not.toBe(first)
    expect(judgeUnit(unit({ ...running, InvocationID: '00' })).incarnation).not.toBe(first)
  })

  it.each([
    [unit({ LoadState: 'not-found', ActiveState: 'inactive', SubState: 'dead' }), 'no such unit'],
    [
      "System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down",
      "System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down",
    ],
    ['', 'systemctl gave no answer'],
  ])('is not healthy without an answer (%#)', (text, seen) => {
    expect(judgeUnit(text)).toMatchObject({ healthy: false, seen })
  })
})

describe('what `docker inspect` says of containers', () => {
  const at = '2026-11-21T07:04:05.123456789Z'
  it.each([
    ['running without a check', `running||0|${at}|0|unless-stopped`, true, false, 'running'],
    ['running and healthy', `running|healthy|0|${at}|0|always`, true, false, 'running, healthy'],
    ['starting', `running|starting|0|${at}|0|always`, false, false, 'running, starting'],
    ['unhealthy', `running|unhealthy|0|${at}|0|always`, false, false, 'running, unhealthy'],
    ['restarting', `restarting||4|${at}|1|always`, false, false, 'restarting, restarted 4 times'],
    ['done', `exited||0|${at}|0|no`, true, false, 'done (exit 0)'],
    ['done, by an old engine', `exited||0|${at}|0|`, true, false, 'done (exit 0)'],
    ['stopped', `exited||0|${at}|0|unless-stopped`, false, false, 'exited, exit 0'],
    ['failed for good', `exited||0|${at}|137|no`, false, true, 'exited, exit 137'],
    ['dead', `dead||0|${at}|1|always`, false, true, 'dead'],
    ['created only', `created||0|0001-01-01T00:00:00Z|0|no`, false, false, 'created'],
    ['paused', `paused||0|${at}|0|no`, false, false, 'paused'],
    ['two of which one fails', `running||0|${at}|0|no\nexited||0|${at}|1|no`, false, true, 'exited, exit 1'],
    ['two alike', `running||0|${at}|0|no\nrunning||0|${at}|0|no\n`, true, false, 'running'],
  ])('%s', (_, text, healthy, final, seen) => {
    expect(judgeContainers(text)).toMatchObject({ healthy, final, seen })
  })

  it('tells one run from the next, and a new replica', () => {
    const row = (restarts: number, started = at) => `running||${restarts}|${started}|0|always`
    const first = judgeContainers(row(0)).incarnation
    expect(judgeContainers(row(0)).incarnation).toBe(first)
    const others = [row(1), row(0, '2026-11-21T07:05:00Z'), `${row(0)}\n${row(0)}`].map(
      (text) => judgeContainers(text).incarnation,
    )
    for (const other of others) expect(other).not.toBe(first)
  })

  it.each([
    ['', 'no such container'],
    [
      'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
      'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
    ],
  ])('is not healthy without an answer (%#)', (text, seen) => {
    expect(judgeContainers(text)).toMatchObject({ healthy: false, seen })
  })
})

describe('what a command says', () => {
  const command = (line: string) => parseCheck(line) as Extract<Check, { kind: 'command' }>
  it.each([
    ['command: x', 0, '', true, 'exit code 0'],
    ['command: x', 0, 'all\nfine\n', true, 'fine'],
    ['command: x', 3, 'first\nwhy\n', false, 'exit code 3: why'],
    ['command: x', 1, '', false, 'exit code 1'],
    ['command: x => ok', 0, ' ok \n', true, 'ok'],
    ['command: x => ok', 0, 'not ok', false, 'not ok, not ok'],
    ['command: x => ok', 0, '', false, 'nothing, not ok'],
    ['command: x => ok', 1, 'ok', false, 'exit code 1: ok'],
    ['command: x => /^v\\d+$/', 0, 'hello\nv12\nbye', true, 'bye'],
    ['command: x => /^v\\d+$/', 0, 'v12b', false, 'v12b, not /^v\\d+$/m'],
  ])('%s: %d %j', (line, code, output, healthy, seen) => {
    expect(judgeCommand(command(line), code, output)).toEqual({ healthy, seen })
  })
})

describe('what a URL answers', () => {
  const http = (line: string) => parseCheck(line) as Extract<Check, { kind: 'http' }>
  it.each([
    ['http://a/', 200, '', true, '200 in 7 ms'],
    ['http://a/', 503, 'busy', false, '503 in 7 ms'],
    ['http://a/ status=404', 404, '', true, '404 in 7 ms'],
    ['http://a/ body=/^ok$/', 200, 'x\nok\n', true, '200 in 7 ms'],
    ['http://a/ body=/^ok$/', 200, 'nok', false, '200 in 7 ms, and the body does not fit'],
    ['http://a/', 0, '', false, 'refused'],
  ])('%s: %d %j', (line, status, body, healthy, seen) => {
    expect(httpSample(http(line), status, body, 7, 'refused')).toEqual({ healthy, seen, latencyMs: 7 })
  })
})
