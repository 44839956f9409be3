import type { Explained } from '../strategy.ts'

/** What uv and systemd said, in the words of somebody who has to do something about it. */
export function explain(phase: string, output: string): Explained | undefined {
  const unit = /^homelab-deploy: (\S+)\t(.*)$/m.exec(output)
  if (unit !== null) return explainUnit(unit[1] ?? '', unit[2] ?? '')
  if (phase === 'build' || phase === 'prepare') return explainUv(output)
  return undefined
}

function explainUv(output: string): Explained | undefined {
  if (/lockfile at .* needs to be updated/i.test(output)) {
    return {
      code: 'HD-UV-02',
      what: 'uv.lock does not belong to this pyproject.toml.',
      why: 'A dependency was changed and the lock was not made anew, so nobody knows what would be installed.',
      fix: 'Run `uv lock` and commit uv.lock with the change. Nothing was changed on the host.',
    }
  }
  const version = /Required uv version [^\n]*/i.exec(output)?.[0]
  if (version !== undefined) {
    return {
      code: 'HD-TOOL-01',
      what: 'The uv on the host is another than the project requires.',
      why: version,
      fix: 'On the host run `uv self update`, or install the version that `required-version` names.',
    }
  }
  const error = /^error: (.*)$/m.exec(output)?.[1] ?? /^\s*× (.*)$/m.exec(output)?.[1]
  const cause = /^\s*(?:cause|Caused by): (.*)$/m.exec(output)?.[1]
  return {
    code: 'HD-UV-01',
    what: 'uv could not make the environment.',
    why: [error ?? output.trim().split('\n').at(-1), cause].filter(Boolean).join(' '),
    fix: 'What uv said is in the log of this step and in the summary. The old version serves from its own environment, which was not touched.',
  }
}

const results: Readonly<Record<string, string>> = {
  'exit-code': 'It ended with an error',
  'core-dump': 'It crashed',
  'oom-kill': 'The kernel ended it, because the memory was used up',
  protocol: 'It ended before it said that it is ready',
  resources: 'systemd lacked a resource, or could not prepare its environment',
  signal: 'It was ended by a signal',
  'start-limit-hit': 'It was started too often in a short time, so systemd gave up (start limit)',
  timeout: 'It did not say that it is ready within TimeoutStartSec',
  watchdog: 'It stopped answering its watchdog',
}

function explainUnit(unit: string, said: string): Explained {
  const [first = '', second = '', third = ''] = said.split(' ')
  const look = `Its lines in the journal are in the summary; on the host: \`journalctl -u ${unit} -n 50\`.`
  if (first === 'same') {
    return {
      code: 'HD-UNIT-02',
      what: `${unit} still runs the process of before.`,
      why: 'It was told to restart, and systemd has not started it anew.',
      fix: look,
    }
  }
  if (first === 'reach' || first === 'home') {
    const why =
      first === 'reach'
        ? `The environment uses ${third}, which ${second} cannot reach: systemd would fail with 203/EXEC.`
        : `The environment uses ${third}, and ProtectHome hides that from the unit.`
    return {
      code: 'HD-UNIT-03',
      what: `${unit} cannot run the Python of its environment.`,
      why,
      fix: 'Set UV_PYTHON_INSTALL_DIR=/opt/uv/python in /etc/environment of the host, or use its own Python (`uv-args: --no-managed-python`).',
    }
  }
  if (/password is required|not allowed to execute|a terminal is required/i.test(said)) {
    return {
      code: 'HD-SUDO-01',
      what: `sudo does not let ${unit} be handled.`,
      why: said,
      fix: 'Compare the sudoers file on the host with `mode: plan`.',
    }
  }
  const result = results[first] ?? (first === 'success' || first === '' ? said.split(' ').slice(3).join(' ') : first)
  return {
    code: 'HD-UNIT-02',
    what: `${unit} did not start.`,
    why: `${result}${second !== '' && second !== '0' ? ` (status ${second})` : ''}.`.replace(/\.\.$/, '.'),
    fix: look,
  }
}
