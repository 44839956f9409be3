import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCheck } from '../../../src/health/check.ts'

const minute = 60_000

describe('a line of `health`', () => {
  it.each([
    [
      'http://localhost:8080/healthz',
      { kind: 'http', url: 'http://localhost:8080/healthz', status: 200, from: 'host' },
    ],
    ['http://127.0.0.1/', { kind: 'http', from: 'host' }],
    ['http://[::1]:3000/', { kind: 'http', url: 'http://[::1]:3000/', from: 'host' }],
    ['https://app.example.com', { kind: 'http', url: 'https://app.example.com/', from: 'runner' }],
    ['https://app.example.com from=host', { from: 'host' }],
    ['http://localhost.example.com/', { from: 'runner' }],
    ['https://a.example/?a=b&c=d status=301', { url: 'https://a.example/?a=b&c=d', status: 301 }],
    ['https://a.example/ body=/"ok": ?true/', { body: /"ok": ?true/m }],
    ['https://a.example/ body=/a b=c/ within=1m', { body: /a b=c/m, within: minute }],
    ['https://a.example/ status=204 within=90s stable=1m30s', { status: 204, within: 90_000, stable: 90_000 }],
    ['tcp:localhost:5432', { kind: 'tcp', host: 'localhost', port: 5432, from: 'host' }],
    ['tcp:db.lan:5432 from=host', { kind: 'tcp', host: 'db.lan', port: 5432, from: 'host' }],
    ['tcp:[::1]:22', { kind: 'tcp', host: '::1', port: 22, from: 'host' }],
    ['unit:app', { kind: 'unit', unit: 'app.service', from: 'host' }],
    ['unit:backup@daily.timer', { kind: 'unit', unit: 'backup@daily.timer' }],
    ['container:web stable=500ms', { kind: 'container', service: 'web', stable: 500 }],
    ['log:app /listening on \\d+/', { kind: 'log', of: 'app', expected: /listening on \d+/m }],
    ['log:app /state=up/ within=1m', { expected: /state=up/m, within: minute }],
    ['log:app /the state=up/', { expected: /the state=up/m }],
    ['command: ./check.sh --all', { kind: 'command', command: './check.sh --all', from: 'host' }],
    ['command: ./check.sh X=1', { command: './check.sh X=1' }],
    ['command: ./check.sh within=10s', { command: './check.sh', within: 10_000 }],
    ['command: cat version => 1.2.3', { command: 'cat version', expected: '1.2.3' }],
    ['command: echo a => b => /^c$/', { command: 'echo a => b', expected: /^c$/m }],
    ['  command: true from=runner ', { text: 'command: true from=runner', from: 'runner' }],
  ])('%s', (line, parts) => {
    expect(parseCheck(line)).toMatchObject(parts)
  })

  it.each([
    ['', 'it is none of'],
    ['ftp://a.example', 'it is none of'],
    ['http:/a.example', 'it is none of'],
    ['http://', 'that is no URL'],
    ['https://a.example/ status=ok', '`status` is a number'],
    ['https://a.example/ status=600', '`status` is a number'],
    ['https://a.example/ body=ok', 'write `body=/regular expression/`'],
    ['https://a.example/ body=/(/', 'write `body=/regular expression/`'],
    ['https://a.example/ retries=3', 'it has no option `retries`; there are within, stable, from, status, body'],
    ['https://a.example/ from=moon', '`from` is `host` or `runner`'],
    ['https://a.example/ within=soon', '`within=soon` is no duration'],
    ['tcp:5432', 'write it `tcp:HOST:PORT`'],
    ['tcp:host:0', 'write it `tcp:HOST:PORT`'],
    ['tcp:host:65536', 'write it `tcp:HOST:PORT`'],
    ['tcp:$(id):22', 'write it `tcp:HOST:PORT`'],
    ['tcp:host:22 status=200', 'it has no option `status`'],
    ['unit:', 'it is none of'],
    ['unit:--all', 'a name cannot begin with -'],
    ['unit:a;reboot', 'that is no unit name'],
    ['unit:a b', 'that is no unit name'],
    ['unit:app from=runner', 'this kind is asked on the host only'],
    ['container:$(id)', 'that is no service name'],
    ['log:app', 'write it `log:NAME /regular expression/`'],
    ['log:app /(/', 'write it `log:NAME /regular expression/`'],
    ["log:a'b /x/", 'that is no name of a unit or container'],
    ['command: true => /(/', 'the regular expression behind => cannot be read'],
    ['command:', 'it is none of'],
  ])('refuses %s', (line, problem) => {
    const said = parseCheck(line)
    expect(typeof said === 'string' ? said : JSON.stringify(said)).toContain(problem)
  })

  it('is read or refused in no time, whatever it holds', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'http://a',
        'tcp:',
        'unit:',
        'log:x /',
        '/',
        ' => ',
        ' within=',
        'body=/',
        ' ',
        '\\',
        '=',
        '1s',
        '\n',
      ),
      fc.string({ maxLength: 8, unit: 'grapheme' }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const line = pieces.join('')
        const began = performance.now()
        const check = parseCheck(line)
        expect(performance.now() - began).toBeLessThan(200)
        if (typeof check === 'string') expect(check).not.toBe('')
        else expect(check.text).toBe(line.trim())
      }),
    )
  })

  it('hands on names that mean nothing to a shell', () => {
    fc.assert(
      fc.property(fc.constantFrom('unit:', 'container:', 'tcp:'), fc.string({ maxLength: 12 }), (kind, name) => {
        const check = parseCheck(`${kind}${name}`)
        if (typeof check === 'string') return
        const word =
          check.kind === 'unit' ? check.unit : check.kind === 'container' ? check.service : check.text.slice(4)
        expect(word).toMatch(kind === 'tcp:' ? /^[\w.:[\]-]+$/ : /^[\w@:.\\][\w@:.\\-]*$/)
      }),
      { numRuns: 300 },
    )
  })

  it('of a command is what was written', () => {
    const words = fc.stringMatching(/^[a-z$"'(){};|&<> ]*[a-z]$/)
    fc.assert(
      fc.property(words, fc.constantFrom(undefined, 'within=5s'), (command, option) => {
        fc.pre(!command.includes(' => ') && !command.trim().startsWith('-'))
        expect(parseCheck(`command: ${command}${option ? ` ${option}` : ''}`)).toMatchObject({
          command: command.trim(),
        })
      }),
    )
  })
})
