import { sh } from '../shell.ts'

/**
 * `hd_as_root COMMAND…`, with nothing to read: the lists that loops of ours read are their own. Units of the user's own need
 * nobody else.
 */
export const asRoot = sh`
hd_as_root() { if [ "$(id -u)" = 0 ] || [ -n "\${hd_user_scope-}" ]; then "$@"; else sudo -n "$@"; fi </dev/null; }
`
