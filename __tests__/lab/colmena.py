#!/usr/bin/env python3
"""A stand-in for colmena, which needs nixpkgs to be built: the real nix evaluates, builds and copies, the real ssh logs in.

It takes the command line of colmena 0.5, refuses whatever that one does not know, keeps its order (build, push, keys before
the activation, profile, activation, keys after it), and ends as it does: 0 when nothing was selected, 1 for everything else.
"""
import json, os, shlex, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase

GLOBAL = {'--show-trace': 0, '--impure': 0, '--nix-option': 2, '--color': 1, '--config': 1, '-f': 1}
DEPLOY = {'--eval-node-limit': 1, '--parallel': 1, '-p': 1, '--keep-result': 0, '--verbose': 0, '-v': 0, '--no-keys': 0,
          '--reboot': 0, '--no-substitute': 0, '--no-substitutes': 0, '--no-gzip': 0, '--build-on-target': 0,
          '--no-build-on-target': 0, '--force-replace-unknown-profiles': 0, '--evaluator': 1, '--on': 1}
EVAL = {'-E': 1, '--instantiate': 0}
GOALS = ['build', 'push', 'switch', 'boot', 'test', 'dry-activate', 'upload-keys']
PROFILE = '/nix/var/nix/profiles/system'


class Failed(Exception):
    pass


def usage(text):
    print(f'error: {text}\n\nFor more information, try \'--help\'.', file=sys.stderr)
    sys.exit(2)


def say(level, text):
    print(f'[{level:<5}] {text}', file=sys.stderr, flush=True)


def row(node, text):
    print(f'{node:>12} | {text}', file=sys.stderr, flush=True)


def parse(argv):
    options, goal, command = {}, None, None
    at = 0
    while at < len(argv):
        word, sep, value = argv[at].partition('=') if argv[at].startswith('--') else (argv[at], '', '')
        known = {**GLOBAL, **(EVAL if command == 'eval' else DEPLOY if command else {})}
        if not word.startswith('-'):
            if command is None:
                if word not in ('apply', 'build', 'upload-keys', 'eval'):
                    usage(f"unrecognized subcommand '{word}'")
                command = word
            elif command == 'apply' and goal is None:
                if word not in GOALS:
                    usage(f"invalid value '{word}' for '[GOAL]'")
                goal = word
            else:
                usage(f"unexpected argument '{word}' found")
            at += 1
        elif word not in known:
            usage(f"unexpected argument '{word}' found")
        else:
            count = known[word]
            options.setdefault(word, []).extend([value] if sep else argv[at + 1:at + 1 + count])
            at += 1 if sep else 1 + count
    if command is None:
        usage('a subcommand is required')
    return command, goal or {'build': 'build', 'upload-keys': 'upload-keys'}.get(command, 'switch'), options


def run(command, node=None, hidden=False, **options):
    """Lines of the tool become lines of its node. Gives what it printed."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if not hidden else None,
                             text=True, env={**os.environ, **options.get('env', {})})
    if options.get('input') is not None:
        child.stdin.buffer.write(options['input'])
    child.stdin.close()
    lines = []
    for line in child.stdout:
        lines.append(line)
        if node and not hidden:
            row(node, line.rstrip())
    if child.wait() != 0:
        raise Failed(f'Child process exited with error code: {child.returncode}')
    return ''.join(lines)


class Hive:
    def __init__(self, options):
        self.flags = ['--pure-eval'] + [flag for flag in ('--show-trace', '--impure') if flag in options]
        values = options.get('--nix-option', [])
        for name, value in zip(values[::2], values[1::2]):
            self.flags += ['--option', name, value]
        folder = os.getcwd()
        while not os.path.isfile(f'{folder}/flake.nix'):
            if folder == '/':
                say('ERROR', f'Could not find `hive.nix` or `flake.nix` in "{os.getcwd()}" or any parent directory')
                sys.exit(101)
            folder = os.path.dirname(folder)
        metadata = ['nix', 'flake', 'metadata', '--json', '--extra-experimental-features', 'nix-command flakes', folder]
        self.url = json.loads(run(metadata, hidden=True))['resolvedUrl']
        say('INFO', f'Using flake: {self.url}')

    def eval(self, expression):
        apply = ('with builtins; hive: assert (hive.__schema == "v0.5" || throw "The colmenaHive output is not compatible"); '
                 + expression)
        return json.loads(run(['nix', 'eval', '--extra-experimental-features', 'flakes nix-command', f'{self.url}#colmenaHive',
                               '--json', '--apply', apply, *self.flags], hidden=True))

    def select(self, patterns):
        say('INFO', 'Enumerating nodes...')
        names = self.eval('attrNames hive.nodes')
        chosen = names
        if patterns is not None:
            rules = [rule.strip() for rule in patterns.split(',')]
            tags = self.eval('hive.deploymentConfig') if any(rule.startswith('@') for rule in rules) else {}
            chosen = [name for name in names if any(
                any(fnmatchcase(tag, rule[1:]) for tag in tags[name]['tags']) if rule.startswith('@') else fnmatchcase(name, rule)
                for rule in rules)]
        configs = self.eval(f'hive.deploymentConfigSelected {nix_list(chosen)}')
        if not chosen:
            say('WARN', 'No hosts selected.')
        else:
            say('INFO', f'Selected {len(chosen)} out of {len(names)} hosts.')
        return {name: Node(name, configs[name]) for name in chosen}


def nix_list(names):
    return '[ ' + ' '.join(json.dumps(name) for name in names) + ' ]'


class Node:
    def __init__(self, name, config):
        self.name, self.config = name, config
        user = config['targetUser']
        self.target = f"{user}@{config['targetHost']}" if user else config['targetHost']
        self.options = ['-o', 'StrictHostKeyChecking=accept-new', '-o', 'BatchMode=yes', '-T', *config['sshOptions']]
        if config['targetPort'] is not None:
            self.options += ['-p', str(config['targetPort'])]
        if os.environ.get('SSH_CONFIG_FILE'):
            self.options += ['-F', os.environ['SSH_CONFIG_FILE']]

    def ssh(self, *words, **options):
        sudo = [] if self.config['targetUser'] == 'root' else self.config['privilegeEscalationCommand']
        return run(['ssh', self.target, *self.options, '--', *sudo, *words], self.name, **options)

    def copy(self, path, options):
        words = ['nix', '--extra-experimental-features', 'nix-command', 'copy', '--no-check-sigs']
        if '--no-substitute' not in options:
            words += ['--substitute-on-destination', '--builders-use-substitutes']
        url = f'ssh-ng://{self.target}' + ('' if '--no-gzip' in options else '?compress=true')
        run([*words, '--to', url, path], self.name, env={'NIX_SSHOPTS': ' '.join(self.options)})

    def upload(self, keys, ownership):
        for name, key in keys.items():
            row(self.name, f'Uploading key {name}')
            if key.get('keyFile'):
                with open(key['keyFile'], 'rb') as file:
                    content = file.read()
            elif key.get('keyCommand'):
                content = subprocess.run(key['keyCommand'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout
            else:
                content = key['text'].encode()
            user, group, path = (shlex.quote(key[each]) for each in ('user', 'group', 'path'))
            script = f'''set -eu
tmp={path}.tmp; mkdir -p "$(dirname {path})"; touch "$tmp"
if [ -n "{'1' if ownership else ''}" ] || {{ getent passwd {user} && getent group {group}; }} >/dev/null; then chown {user}:{group} "$tmp"
else echo "User {key['user']} and/or group {key['group']} do not exist. Skipping chown." >&2; fi
chmod {shlex.quote(key['permissions'])} "$tmp"; cat >"$tmp"; mv "$tmp" {path}'''
            self.ssh('sh', '-c', shlex.quote(script), input=content)

    def keys(self, late):
        return {name: key for name, key in self.config['keys'].items() if (key['uploadAt'] == 'post-activation') == late}

    def activate(self, goal, system, options):
        if '--no-keys' not in options and self.keys(False):
            self.upload(self.keys(False), False)
            row(self.name, 'Uploaded keys (pre-activation)')
        row(self.name, 'Activating system profile')
        if not self.config['replaceUnknownProfiles'] and '--force-replace-unknown-profiles' not in options:
            known = self.ssh('sh', '-c', f'"readlink -e {PROFILE} || readlink -e /run/current-system"').strip()
            if not os.path.exists(known):
                raise Failed('Current profile is unknown')
        if goal in ('switch', 'boot'):
            self.ssh('nix-env', '--profile', PROFILE, '--set', system)
        self.ssh(f'{system}/bin/switch-to-configuration', goal)
        row(self.name, 'Activation successful')
        if '--no-keys' not in options and self.keys(True):
            self.upload(self.keys(True), True)
            row(self.name, 'Uploaded keys (post-activation)')


def deploy(node, drv, goal, options):
    try:
        if goal == 'upload-keys':
            node.upload(node.config['keys'], True)
            row(node.name, 'Uploaded keys')
            return True
        on_target = '--no-build-on-target' not in options and (node.config['buildOnTarget'] or '--build-on-target' in options)
        if on_target:
            node.copy(drv, options)
            system = node.ssh('nix-store', '--no-gc-warning', '--realise', drv).strip()
            row(node.name, f'Built "{system}" on target node')
        else:
            row(node.name, f'Building {drv}')
            system = run(['nix-store', '--no-gc-warning', '--realise', drv], hidden=True).strip()
            row(node.name, f'Built "{system}"')
            if goal == 'build':
                return True
            row(node.name, 'Pushing system closure')
            node.copy(system, options)
            row(node.name, 'Pushed system closure')
        if goal != 'push':
            node.activate(goal, system, options)
        return True
    except (Failed, OSError, subprocess.CalledProcessError) as error:
        row(node.name, f'Failed: {error}')
        return False


def main():
    command, goal, options = parse(sys.argv[1:])
    hive = Hive(options)
    if command == 'eval':
        if '-E' not in options:
            say('ERROR', 'Provide either an expression (-E) or a .nix file containing an expression.')
            sys.exit(1)
        print(hive.eval(f"toJSON (hive.introspect ({options['-E'][0]}))"))
        return
    nodes = hive.select(options['--on'][0] if '--on' in options else None)
    drvs = hive.eval(f'hive.evalSelectedDrvPaths {nix_list(list(nodes))}') if goal != 'upload-keys' and nodes else {}
    with ThreadPoolExecutor(10) as pool:
        ends = list(pool.map(lambda node: deploy(node, drvs.get(node.name), goal, options), nodes.values()))
    if not all(ends):
        row('', 'Failed to complete requested operation')
        raise Failed('Failed to deploy to some nodes')
    row('', 'All done!')


try:
    main()
except Failed as error:
    say('ERROR', '-----')
    say('ERROR', f'Operation failed with error: {error}')
    sys.exit(1)
