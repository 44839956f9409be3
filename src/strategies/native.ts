import { sh } from '../shell.ts'

/** Shell for `preflight`, where the tool itself activates: what that promises less is said by every run that does it. */
export const weakerPromise = sh`
echo 'note activation: native promises less: the new system boots before it is known to be healthy' >&3
echo 'warn activation: native promises less. The new system is what boots before anybody knows whether it is healthy: after a power cut it starts, and is taken back only then. With activation: guarded the old one boots until the new one is confirmed.' >&3
`
