/** Started by lab.ts beside a run. When the run is gone, however that came about, it buries what the run has left. */
import { rm } from 'node:fs/promises'
import { lockFile } from './paths.ts'
import { sweep } from './sweep.ts'

process
  .on('SIGINT', () => {})
  .on('SIGTERM', () => {})
  .on('SIGHUP', () => {})
process.stdin.resume().once('end', async () => {
  await sweep()
  await rm(lockFile, { force: true })
})
