import type { Check, Sample } from './check.ts'

/** What the fields that a check printed mean. */
export function judge(check: Check, fields: readonly string[], took: number): Sample {
  const [first = '', second = ''] = fields
  const plain = { latencyMs: took, incarnation: '' }
  switch (check.kind) {
    case 'http':
      return { incarnation: '', ...judgeHttp(check, first, second, took) }
    case 'tcp':
      return { ...plain, healthy: first === 'open', seen: first || 'no answer' }
    case 'unit':
      return { latencyMs: took, ...judgeUnit(first) }
    case 'container':
      return { latencyMs: took, ...judgeContainers(first, check.service === '*') }
    case 'log': {
      const line = first.split('\n').find((each) => check.expected.test(each))
      return {
        ...plain,
        healthy: line !== undefined,
        seen: line === undefined ? 'no such line yet' : line.slice(0, 200),
      }
    }
    case 'command':
      return { ...plain, ...judgeCommand(check, Number(first || 255), second) }
  }
}

function judgeHttp(
  check: Extract<Check, { kind: 'http' }>,
  out: string,
  body: string,
  took: number,
): Omit<Sample, 'incarnation'> {
  const status = Number(/(?:^|\n)(\d{3})(?: |$)/.exec(out)?.[1] ?? 0)
  const seconds = Number(/ ([\d.]+)$/.exec(out)?.[1] ?? Number.NaN)
  return httpSample(
    check,
    status,
    body,
    Number.isNaN(seconds) ? took : Math.round(seconds * 1_000),
    (out.split('\n')[0] ?? '').replace(/^000 /, ''),
  )
}

export function httpSample(
  check: Extract<Check, { kind: 'http' }>,
  status: number,
  body: string,
  latencyMs: number,
  error: string,
): Omit<Sample, 'incarnation'> {
  if (status === 0) return { healthy: false, seen: error.trim() || 'no answer', latencyMs }
  if (status !== check.status) return { healthy: false, seen: `${status} in ${latencyMs} ms`, latencyMs }
  const fits = check.body === undefined || check.body.test(body)
  return { healthy: fits, seen: `${status} in ${latencyMs} ms${fits ? '' : ', and the body does not fit'}`, latencyMs }
}

/** Active is not enough: in a crash loop a unit is active in most looks, so what counts is that it is the same run. */
export function judgeUnit(text: string): Omit<Sample, 'latencyMs'> {
  const get = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? ''
  const state = `${get('ActiveState')} (${get('SubState')})`
  const incarnation = `${get('InvocationID')}/${get('NRestarts')}`
  if (get('LoadState') !== 'loaded')
    return {
      healthy: false,
      seen: get('LoadState') === 'not-found' ? 'no such unit' : text.trim().slice(0, 200) || 'systemctl gave no answer',
      incarnation,
    }
  const restarts = Number(get('NRestarts')) > 0 ? `, restarted ${get('NRestarts')} times` : ''
  const oneshot =
    get('Type') === 'oneshot' &&
    get('ActiveState') === 'inactive' &&
    get('Result') === 'success' &&
    get('InvocationID') !== ''
  const healthy =
    oneshot ||
    (get('ActiveState') === 'active' &&
      ['running', 'exited', 'listening', 'waiting', 'mounted', 'plugged', 'active'].includes(get('SubState')))
  const failed = !healthy && get('Result') !== 'success'
  const result = failed ? `, ${get('Result')} ${get('ExecMainStatus')}${inWords(get)}` : ''
  const stale = get('NeedDaemonReload') === 'yes' ? ', its file changed and systemd has not read it' : ''
  return { healthy, seen: `${state}${restarts}${result}${stale}`, incarnation, final: get('ActiveState') === 'failed' }
}

/** What a person would have to look up. */
function inWords(get: (key: string) => string): string {
  const words: Readonly<Record<string, string>> = {
    'start-limit-hit': 'started too often, so systemd gave up',
    timeout: get('Type') === 'notify' ? 'it did not say in time that it is ready' : 'it did not start or stop in time',
    'oom-kill': 'the memory was used up',
    watchdog: 'it stopped answering its watchdog',
  }
  const codes: Readonly<Record<string, string>> = {
    200: 'its working directory is not there',
    203: 'its program cannot be run',
    217: 'its user does not exist',
    226: 'its sandbox could not be made',
  }
  const loop = get('SubState') === 'auto-restart' && Number(get('NRestarts')) > 1 ? 'a crash loop' : undefined
  const found = words[get('Result')] ?? codes[get('ExecMainStatus')] ?? loop
  return found === undefined ? '' : ` (${found})`
}

/**
 * Every replica: running, and healthy where it can tell; one that has done its one job is done. Of a whole application
 * something has to run.
 */
export function judgeContainers(text: string, all = false): Omit<Sample, 'latencyMs'> {
  const rows = text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('|'))
  if (rows.length === 0) return { healthy: false, seen: 'no such container', incarnation: '' }
  const states = rows.map(([status = '', health = '', restarts = '0', , code = '', policy = '', name = '']) => {
    const done = status === 'exited' && code === '0' && (policy === 'no' || policy === '')
    const healthy = done || (status === 'running' && (health === '' || health === 'healthy'))
    const seen = [
      done ? 'done (exit 0)' : status,
      health,
      Number(restarts) > 0 && `restarted ${restarts} times`,
      status === 'exited' && !done && `exit ${code}`,
    ]
      .filter(Boolean)
      .join(', ')
    const shown = all ? `${name.replace(/^\//, '')}: ${seen}` : seen
    return { healthy, done, seen: shown, final: status === 'dead' || (status === 'exited' && !done && policy === 'no') }
  })
  const bad = states.filter(({ healthy }) => !healthy)
  return {
    healthy: states.every(({ healthy }) => healthy) && !(all && states.every(({ done }) => done)),
    seen: [...new Set((bad.length > 0 ? bad : states).map(({ seen }) => seen))].join('; '),
    incarnation: rows.map(([, , restarts, started]) => `${started}/${restarts}`).join(' '),
    final: states.some(({ final }) => final),
  }
}

export function judgeCommand(
  { expected }: Extract<Check, { kind: 'command' }>,
  code: number,
  output: string,
): { healthy: boolean; seen: string } {
  const said = output.trim()
  const last = said.split('\n').at(-1)?.slice(0, 200) ?? ''
  if (code !== 0) return { healthy: false, seen: `exit code ${code}${last && `: ${last}`}` }
  const fits = expected === undefined || (typeof expected === 'string' ? said === expected : expected.test(said))
  return { healthy: fits, seen: fits ? last || 'exit code 0' : `${last || 'nothing'}, not ${String(expected)}` }
}
