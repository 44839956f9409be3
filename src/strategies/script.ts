import { sh } from '../shell.ts'
import { noScripts, type Strategy } from './strategy.ts'

/** The user's own commands, for hosts that none of the other strategies fits. */
export const script: Strategy = {
  name: 'script',
  summary: 'Your own shell commands: `prepare`, `activate` and `restore`.',
  markers: [],
  needs: [],
  checks: () => [],
  compile: ({ commands }) => ({
    ...noScripts,
    prepare: commands.includes('prepare') ? 'hd_user prepare "$release"' : '',
    apply: 'hd_user activate "$release"',
    // Without a `restore` of its own the way back is the way there: what activated the old release activates it again.
    restore: sh`if [ -s "$release/scripts/restore" ]; then hd_user restore "$release" "$prev"; elif [ -n "$prev" ]; then hd_user activate "$prev"; fi`,
  }),
  explain: () => undefined,
}
