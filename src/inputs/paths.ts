import { posix } from 'node:path'
import { hasControl, type Refuse } from './form.ts'

/** Directories that belong to the system or to a whole user: a sync would delete what else is in them. */
const systemTops = new Set(
  [
    '/ ~ /bin /boot /dev /etc /home /lib /lib32 /lib64 /media /mnt /nix /opt /proc /root /run /sbin /srv /sys /tmp /usr /Users',
    '/etc/ssh /etc/systemd /etc/systemd/system /usr/bin /usr/lib /usr/local /usr/local/bin /usr/local/lib /usr/sbin /usr/share',
    '/var /var/cache /var/lib /var/lib/docker /var/log /var/run /var/spool /var/tmp ~/.config ~/.local ~/.local/share ~/.local/state',
  ]
    .join(' ')
    .split(' '),
)

/** Nothing in these is for a deploy: the kernel's, the boot loader's, Nix's own, the keys', and our own state. */
const forbidden =
  /^\/(proc|sys|dev|boot|nix\/store)\/|(^|\/)\.ssh(\/|$)|^\/var\/lib\/homelab-deploy(\/|$)|\/\.local\/state\/homelab-deploy(\/|$)/

/** `path`: the directory on the host that becomes the tree. Spaces, quotes and `$` are fine: everything is quoted. */
export function readHostDirectory(text: string, refuse: Refuse): string | undefined {
  const shape = 'Write a directory for this application alone, absolute or as `~/…`, such as `/srv/app`.'
  if (text.startsWith('-')) return refuse('begins with `-`', shape, text)
  if (!/^(\/|~$|~\/)/.test(text)) return refuse('is not absolute', shape, text)
  if (text.split('/').includes('..')) return refuse('holds a `..`', shape, text)
  if (text.length > 1_024) return refuse('is too long', shape, text)
  const path = posix.normalize(text).replace(/(?<=.)\/$/, '')
  if (systemTops.has(path) || /^\/(home|Users)\/[^/]+$/.test(path)) {
    return refuse(
      'is a directory of the system or of a user as a whole',
      `The sync would delete what else is in it. ${shape}`,
      text,
    )
  }
  return forbidden.test(path) ? refuse('lies where no application belongs', shape, text) : path
}

/** A file inside the tree, such as `env-path`. */
export function readRelativeFile(text: string, refuse: Refuse): string | undefined {
  const shape = 'Write a file relative to `path`, such as `.env` or `config/prod.env`.'
  if (hasControl(text)) return refuse('holds a control character', shape, text)
  if (text.startsWith('-')) return refuse('begins with `-`', shape, text)
  if (/^[/~]/.test(text)) return refuse('is not relative', shape, text)
  if (text.split('/').includes('..')) return refuse('holds a `..`', shape, text)
  const path = posix.normalize(text)
  return path === '.' || path.endsWith('/') ? refuse('is no file', shape, text) : path
}

/** A file in the tree, or anywhere when it is absolute. */
export function readHostFile(text: string, refuse: Refuse): string | undefined {
  if (!text.startsWith('/')) return readRelativeFile(text, refuse)
  const shape = 'Write a file, absolute or relative to `path`.'
  if (hasControl(text)) return refuse('holds a control character', shape, text)
  if (text.split('/').includes('..')) return refuse('holds a `..`', shape, text)
  const path = posix.normalize(text)
  const isFolder = path.endsWith('/') || systemTops.has(path)
  return isFolder || forbidden.test(path) ? refuse('is no file that a deploy may write', shape, text) : path
}

/** What is backed up, and with `rollback: data` replaced by its backup: data of this application alone. */
export function readDataPath(path: string, refuse: Refuse): string | undefined {
  return systemTops.has(path) || forbidden.test(`${path}/`) || /^\/(home|Users)\/[^/]+$/.test(path)
    ? refuse('names what is no data of an application', 'Name the folder or the file that holds the data.', path)
    : path
}

/** `source`: checked here for its form, later for its place, and by the sync for being there. */
export function readSource(text: string, refuse: Refuse): string | undefined {
  if (text.startsWith('-')) return refuse('begins with `-`', 'Write `./` in front of it.', text)
  return text
}

/** `exclude` and `protect`. What `find` on a host and our own matching might read differently is refused. */
export function readPattern(text: string, refuse: Refuse): string | undefined {
  const shape =
    'Write names (`node_modules`), wildcards (`*.log`) or paths from the root (`/data`), with `/` between folders.'
  if (text.startsWith('-')) return refuse('begins with `-`', 'Write `?` instead of it.', text)
  if (text.startsWith('!')) return refuse('begins with `!`', `There are no exceptions to patterns. ${shape}`, text)
  if (text.includes('\\')) return refuse('holds a `\\`', shape, text)
  // `protect: data, uploads` read as one odd name would leave both unprotected.
  if (text.includes(','))
    return refuse('holds a comma', 'Write one pattern a line; a comma in a name is matched by `?`.', text)
  if (/\s#/.test(text)) return refuse('holds a `#`', 'A comment goes on a line of its own.', text)
  if (text.split('/').includes('..')) return refuse('holds a `..`', shape, text)
  if (/^(\.?\/)*\.?(\*\*)?$/.test(text) && text !== '**') return refuse('names the whole tree', shape, text)
  return soundSets(text)
    ? text
    : refuse('holds a `[` or `]` without its partner', `${shape} A set is written \`[a-z]\`.`, text)
}

function soundSets(text: string): boolean {
  if (!/^([^[\]]|\[[!^]?[^[\]/]+\])*$/.test(text)) return false
  try {
    return text.match(/\[[^\]]+\]/g)?.every((set) => new RegExp(set)) ?? true
  } catch {
    return false // A range that runs backwards.
  }
}
