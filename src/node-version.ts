import { DeployError } from './errors.ts'

/** GitHub's runner brings the Node that an action asks for. Others start the one they find, whatever its age. */
export function needNode24(): void {
  // What this code is made of, and came with Node 24.
  if (typeof AsyncDisposableStack === 'function') return
  throw new DeployError('HD-NODE-01', `This runner starts actions with Node ${process.version}; Node 24 is needed.`, {
    why: 'It uses the `node` of the image or machine that the job runs on. Nothing was touched.',
    fix: 'Run the job in an image that has Node 24, such as `container: node:24-bookworm`, or put Node 24 first on the `PATH` of the runner.',
  })
}
