import { expect, test } from 'vitest'
import { isSigned } from '../../../src/tailnet/signature.ts'

/** Made by the signer of Tailscale itself (package distsign), with two signing keys, of which the second signed. */
const root = 'j/lntlnOpP1EKOqf8Alo67ywjaRRFhbE0Wp4AO7hhQI='
const file = Buffer.from('what a package holds')
const bytes = (base64: string) => Buffer.from(base64, 'base64')
const signatures = {
  keys: bytes(
    'LS0tLS1CRUdJTiBTSUdOSU5HIFBVQkxJQyBLRVktLS0tLQpBS3V3TWdJY1ljNjBjUStzeEdxU2llU21VRmdqQXRhY3BUb04vL29KUExVPQotLS0tLUVORCBTSUdOSU5HIFBVQkxJQyBLRVktLS0tLQotLS0tLUJFR0lOIFNJR05JTkcgUFVCTElDIEtFWS0tLS0tCnpOM1RkaUlrbW5lQjg4cTJkUk5HR2llajB6bGR5Mms3WGc5OGdnWS8vQlU9Ci0tLS0tRU5EIFNJR05JTkcgUFVCTElDIEtFWS0tLS0tCg==',
  ),
  keysSignature: bytes('HU6PphT1IEmYu0EvlvTGc5l1jc1IUjbWpIdde3veRgOkw3o1euVldjzQ5v+07vgJzTMfcarD+EYnL2l8J2NQAA=='),
  signature: bytes('ZtRQqb7zUZyw6agQLrzcmsox9+dcZZ+6kVnhZw14t3cyR5ust5nWWLdBCbMYbRE4Pewp5KyHPatn+Hz4w1pZAA=='),
}

test('what Tailscale signs is signed', () => {
  expect(isSigned(file, signatures, ['AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=', root])).toBe(true)
})

const flipped = (buffer: Buffer) => Buffer.from(buffer.map((byte, at) => (at === 40 ? byte ^ 1 : byte)))
test.each([
  ['another file', Buffer.from('what a package h0lds'), signatures, [root]],
  ['a longer file', Buffer.concat([file, Buffer.alloc(1)]), signatures, [root]],
  ['another root', file, signatures, ['ZjjKhUHBtLNRSO1dhOTjrXJGJ8lDe1594WM2XDuheVQ=']],
  ['no root', file, signatures, []],
  ['other signing keys', file, { ...signatures, keys: flipped(signatures.keys) }, [root]],
  ['another word for the keys', file, { ...signatures, keysSignature: flipped(signatures.keysSignature) }, [root]],
  ['another signature', file, { ...signatures, signature: flipped(signatures.signature) }, [root]],
  ['a page of an error in its place', file, { ...signatures, signature: Buffer.from('<html>') }, [root]],
  ['nothing', file, { keys: Buffer.alloc(0), keysSignature: Buffer.alloc(0), signature: Buffer.alloc(0) }, [root]],
])('%s is not', (_, content, given, roots) => {
  expect(isSigned(content, given, roots)).toBe(false)
})
