import { Secret } from '../secret.ts'
import type { Refuse } from './form.ts'

const whole = 'Store the whole private key file, from its BEGIN line to its END line.'
const kinds = 'OPENSSH |RSA |EC |ENCRYPTED |'
const armour = new RegExp(`^-----BEGIN ((?:${kinds})PRIVATE KEY)-----\\n([\\s\\S]*)\\n-----END \\1-----\\n$`)

/** The text of a private key, as ssh would have written it. Whether it is a sound key, the SSH library says later. */
export function readPrivateKey(text: string, refuse: Refuse): Secret | undefined {
  const key = repair(text)
  if (/^(ssh|ecdsa|sk)-\S+ |-----BEGIN (RSA )?PUBLIC KEY|---- BEGIN SSH2 PUBLIC/.test(key)) {
    return refuse('holds a public key', `That one belongs into authorized_keys on the host. ${whole}`)
  }
  if (key.startsWith('PuTTY-User-Key-File-')) {
    return refuse(
      'holds a key in the format of PuTTY',
      'Convert it: `puttygen key.ppk -O private-openssh -o key`, and store the new file.',
    )
  }
  if (key.startsWith('LS0tLS1CRUdJTi')) {
    return refuse(
      'holds a key that was encoded in base64 once more',
      'Store the file as it is: `gh secret set SSH_KEY < id_ed25519`.',
    )
  }
  if (key.startsWith('-----BEGIN DSA'))
    return refuse('holds a DSA key, which SSH no longer uses', 'Make one with `ssh-keygen -t ed25519`.')
  const body = armour.exec(key)?.[2]
  if (body === undefined) {
    const end = key.startsWith('-----BEGIN ') && !key.includes('-----END ')
    return refuse(end ? 'is cut off: its END line is missing' : 'is no private key', whole)
  }
  const data = body.replace(/^([A-Za-z-]+: .*\n)+\n?/, '') // the header lines of an encrypted key in the old format
  if (!/^[A-Za-z0-9+/\n]+={0,2}$/.test(data)) return refuse('is damaged between its BEGIN and END lines', whole)
  return new Secret(key)
}

/** Undoes what forms, clipboards and `.env` files do to a key: line breaks of any kind, quotes, lost ends. */
export function repair(text: string): string {
  let key = text.replace(/\r\n?/g, '\n').trim()
  key = /^(["'])([\s\S]*)\1$/.exec(key)?.[2]?.trim() ?? key
  if (!key.includes('\n')) key = key.replace(/(\\r)?\\n/g, '\n').trim()
  const single = /^(-----BEGIN [A-Z ]+-----) +([A-Za-z0-9+/= ]+?) +(-----END [A-Z ]+-----)$/.exec(key)
  if (single) key = [single[1], ...(single[2]?.split(/ +/) ?? []), single[3]].join('\n')
  return `${key
    .split('\n')
    .map((line) => line.trim())
    .join('\n')}\n`
}
