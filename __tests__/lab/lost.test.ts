import { test } from 'vitest'
import type { ActionRun } from '../helpers/run-action.ts'
import { busyboxHost } from './busybox-host.ts'
import { type LabHost, labHost } from './host.ts'
import { Service } from './service.ts'

/** What a run was at on a host, and then it was gone: ended with all it started, whoever it ran as and by whatever sshd. */
const hosts: { by: string; make: () => Promise<LabHost>; inputs: Record<string, string> }[] = [
  { by: 'OpenSSH', make: () => labHost({ user: 'root' }), inputs: {} },
  { by: 'OpenSSH and sudo', make: () => labHost({ user: 'deploy' }), inputs: { sudo: 'always' } },
  { by: 'Dropbear', make: () => busyboxHost({ user: 'root' }), inputs: {} },
]
const ways: Record<string, (run: ActionRun, host: LabHost) => Promise<void> | void> = {
  'the job is cancelled': (run) => run.cancel(),
  'main is killed': (run) => run.kill('SIGKILL'),
  // Not a packet says so: the host has to notice by itself.
  'the machine is lost without a word': async (run, host) => {
    await host.cutNetwork('both')
    run.kill('SIGKILL')
  },
}

test.concurrent.for(hosts)('a command that runs by $by', async ({ make, inputs }, { expect }) => {
  await using host = await make()
  const app = new Service(host, '/srv/app', true)
  await host.sh(`mkdir -p ${app.path}; chown ${host.user} ${app.path}`)
  const plain = { prepare: '', activate: 'true', after: '', health: 'command: true', 'health-stable': '0s', ...inputs }
  const left = async () =>
    await host.sh(
      `for each in /proc/[0-9]*; do tr '\\0' ' ' <$each/cmdline | grep '^sleep 600'; done 2>/dev/null
      cd ${app.state} && ls | grep -E '^(lock|work|pending)'; ls releases 2>/dev/null; true`,
    )
  for (const [way, end] of Object.entries(ways)) {
    let done: Promise<void> | undefined
    await app.start({ version: 'v1', inputs: { ...plain, before: 'echo before begins; sleep 600' } }, (run) => {
      done = run.line(/before begins/).then(async () => {
        expect(await left()).toContain('sleep 600')
        await end(run, host)
      })
    })
    await done
    await expect.poll(left, { timeout: 150_000, interval: 500, message: way }).toBe('')
    await host.restoreNetwork()
  }
  const next = await app.deploy({ version: 'v2', inputs: { ...plain, before: 'true' } })
  expect(next.outputs.result, next.maskedLog).toBe('deployed')
})
