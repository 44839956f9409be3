import { generateKeyPairSync } from 'node:crypto'
import ssh2 from 'ssh2'
import { describe, expect, test } from 'vitest'
import { readPrivateKey } from '../../../src/inputs/private-key.ts'
import { key, read } from './helpers.ts'

const clean = `${key.private.trim()}\n`
const oldFormat = `-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF

c29tZSBieXRlcw==
-----END RSA PRIVATE KEY-----
`

describe('ssh-key', () => {
  test.each([
    ['as it is', clean],
    ['without its last line break', clean.trim()],
    ['with the line ends of Windows', clean.replaceAll('\n', '\r\n')],
    ['with the line ends of old Macs', clean.replaceAll('\n', '\r')],
    ['indented', clean.replaceAll('\n', '  \n    ')],
    ['with \\n written out', clean.replaceAll('\n', '\\n')],
    ['with \\r\\n written out', clean.replaceAll('\n', '\\r\\n')],
    ['in quotes', `"${clean.replaceAll('\n', '\\n')}"`],
    ['on one line', clean.trim().replaceAll('\n', ' ')],
    ['with space around', `\n\n  ${clean}\n\n`],
  ])('is repaired: %s', (_, text) => {
    const { value, said } = read(readPrivateKey, text)
    expect(said).toEqual([])
    expect(value?.reveal()).toBe(clean)
    expect(ssh2.utils.parseKey(value?.reveal() ?? '')).not.toBeInstanceOf(Error)
  })

  test.each([
    ['RSA in the old format, encrypted', oldFormat],
    [
      'EC',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
    ],
    ['PKCS 8', generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
  ])('takes %s', (_, text) => {
    expect(read(readPrivateKey, text).value?.reveal()).toBe(text)
  })

  test.each([
    ['a public key', key.public, /public key/],
    ['a public key in PEM', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----', /public key/],
    ['a PuTTY file', 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none', /puttygen/],
    ['base64 of the file', Buffer.from(clean).toString('base64'), /base64 once more/],
    ['a DSA key', '-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----', /DSA/],
    ['a key cut off', clean.slice(0, 200), /END line is missing/],
    ['a key without its head', clean.slice(40), /no private key/],
    ['two keys', clean + clean, /damaged/],
    ['a key with something in it', clean.replace('\n', '\n<html>\n'), /damaged/],
    ['a password', 'hunter2-hunter2', /no private key/],
    ['a path', '~/.ssh/id_ed25519', /no private key/],
  ])('refuses %s, and does not show it', (_, text, reason) => {
    const { value, said } = read(readPrivateKey, text)
    expect(value).toBeUndefined()
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(reason)
    for (const word of text.split(/\s+/).filter((each) => each.length > 30)) expect(said[0]).not.toContain(word)
    expect(said[0]).not.toContain('hunter2')
  })
})
