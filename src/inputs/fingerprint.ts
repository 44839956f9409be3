import type { PinnedKey } from '../remote/target.ts'
import { decodeBase64 } from './base64.ts'
import type { Refuse } from './form.ts'

const how = 'Run `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host and paste its line.'

/** `SHA256:…`, alone or as a whole line of `ssh-keygen -l`: `256 SHA256:… host (ED25519)`. */
export function readFingerprint(line: string, refuse: Refuse): PinnedKey | undefined {
  if (/MD5:|^([0-9a-f]{2}:){15}[0-9a-f]{2}$/i.test(line)) {
    return refuse('is an MD5 fingerprint, which can be forged', `Use SHA-256. ${how}`, line)
  }
  const found = /^(?:\d{2,5}\s+)?SHA256:([A-Za-z0-9+/]+)=?(?:\s.*)?$/.exec(line)
  const bytes = decodeBase64(`${found?.[1] ?? ''}=`)
  if (found === null || bytes?.length !== 32) {
    return refuse('is no fingerprint', `It is \`SHA256:\` and 43 characters. ${how}`, line)
  }
  return { fingerprint: `SHA256:${found[1]}` }
}
