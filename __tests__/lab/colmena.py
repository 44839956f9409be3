#!/usr/bin/env python3
"""A stand-in for colmena, which needs nixpkgs to be built: the real nix evaluates, builds and copies, the real ssh logs in.

It takes the command line of colmena 0.5, refuses whatever that one does not know, keeps its order (build, push, keys before
the activation, profile, activation, keys after it), prints what it prints where there is no terminal, and ends as it does: 0 when
nothing was selected, 1 for everything else. The lab tells the same stories with a colmena that is real: see README.md.
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
SUCCESS = {'switch': 'Activation successful', 'boot': 'Will be activated next boot', 'test': 'Activation successful (test)',
           'dry-activate': 'Dry activation successful'}
PROFILE = '/nix/var/nix/profiles/system'


class Failed(Exception):
    pass


def usage(text):
    print(f'error: {text}\n\nFor more information, try \'--help\'.', file=sys.stderr)
    sys.exit(2)


def error(text):
    print(f'ERROR {text}', file=sys.stderr, flush=True)


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


class Job:
    """What is done for a node, and what is said of it: rows, and once more at the end where it failed."""
    failed = []
    width = 5

    def __init__(self, node, begin, failure, summary):
        self.node, self.begin, self.failure, self.summary, self.log = node, begin, failure, summary, [' created)'] if node else []

    def row(self, text, kind='message', logged=None):
        self.log.append(f'{kind:>8}) {logged or text}')
        print(f'{self.node:>{Job.width}} | {text}', file=sys.stderr, flush=True)

    def __enter__(self):
        if self.begin:
            self.row(self.begin, 'state', 'Running')
        return self

    def __exit__(self, kind, problem, trace):
        if isinstance(problem, Failed):
            self.row(f'{self.failure}: {problem}', 'failure', problem)
            Job.failed.append(self)

    def run(self, command, hidden=False, **options):
        """Lines of the tool become lines of its node. Gives what it printed."""
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if not hidden else None,
                                 text=True, env={**os.environ, **options.get('env', {})})
        try:
            if options.get('input') is not None:
                child.stdin.buffer.write(options['input'])
            child.stdin.close()
        except BrokenPipeError:
            pass
        lines = []
        for line in child.stdout:
            lines.append(line)
            if not hidden:
                self.row(line.rstrip(), 'stderr')
        if child.wait() != 0:
            raise Failed(f'Child process exited with error code: {child.returncode}')
        return ''.join(lines)


quiet = Job('', '', '', '')
EXPERIMENTAL = ['--extra-experimental-features', 'flakes nix-command']


class Hive:
    def __init__(self, options):
        self.flags = [flag for flag in ('--show-trace', '--impure') if flag in options]
        values = options.get('--nix-option', [])
        for name, value in zip(values[::2], values[1::2]):
            self.flags += ['--option', name, value]
        given = (options.get('-f') or options.get('--config') or [None])[0]
        file = given or self.search()
        self.flake = not os.path.exists(file) and ':' in file
        if os.path.basename(file) == 'flake.nix':
            file, self.flake = os.path.dirname(file) or '.', True
        if self.flake:
            self.url = json.loads(quiet.run(['nix', 'flake', 'metadata', '--json', *EXPERIMENTAL, file], hidden=True))['resolvedUrl']
        else:
            self.path = os.path.realpath(file)

    @staticmethod
    def search():
        folder = os.getcwd()
        while True:
            for name in ('flake.nix', 'hive.nix'):
                if os.path.isfile(f'{folder}/{name}'):
                    return f'{folder}/{name}'
            if folder == '/':
                error(f'Could not find `hive.nix` or `flake.nix` in "{os.getcwd()}" or any parent directory')
                sys.exit(101)
            folder = os.path.dirname(folder)

    def eval(self, expression):
        if self.flake:
            head = 'with builtins; hive: assert (hive.__schema == "v0.5" || throw "The colmenaHive output is not compatible"); '
            words = ['nix', 'eval', *EXPERIMENTAL, f'{self.url}#colmenaHive', '--json', '--apply', head + expression, '--pure-eval']
        else:
            own = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'eval.nix')
            head = f'with builtins; let hive = import {own} {{ rawHive = import {self.path}; }}; in '
            words = ['nix-instantiate', '--no-gc-warning', '-E', head + expression, '--eval', '--json', '--strict', '--read-write-mode']
        return json.loads(quiet.run([*words, *self.flags], hidden=True))

    def select(self, patterns, goal):
        if patterns is None and goal != 'build' and not self.eval('hive.metaConfig')['allowApplyAll']:
            error('No node filter is specified and meta.allowApplyAll is set to false.')
            error('Hint: Filter the nodes with --on.')
            sys.exit(1)
        names = self.eval('attrNames hive.nodes')
        chosen = names
        if patterns is not None:
            rules = [rule.strip() for rule in patterns.split(',')]
            tags = self.eval('hive.deploymentConfig') if any(rule.startswith('@') for rule in rules) else {}
            chosen = [name for name in names if any(
                any(fnmatchcase(tag, rule[1:]) for tag in tags[name]['tags']) if rule.startswith('@') else fnmatchcase(name, rule)
                for rule in rules)]
        configs = self.eval(f'hive.deploymentConfigSelected {nix_list(chosen)}')
        nodes = [Node(name, configs[name], self.flake) for name in chosen]
        return [node for node in nodes if goal == 'build' or node.target is not None]


def nix_list(names):
    return '[ ' + ' '.join(json.dumps(name) for name in names) + ' ]'


class Node:
    def __init__(self, name, config, flake):
        self.name, self.config, self.flake = name, config, flake
        user, host = config['targetUser'], config['targetHost']
        self.target = f'{user}@{host}' if user and host else host
        self.options = ['-o', 'StrictHostKeyChecking=accept-new', '-o', 'BatchMode=yes', '-T', *config['sshOptions']]
        if config['targetPort'] is not None:
            self.options += ['-p', str(config['targetPort'])]
        if os.environ.get('SSH_CONFIG_FILE'):
            self.options += ['-F', os.environ['SSH_CONFIG_FILE']]

    def job(self, *texts):
        return Job(self.name, *texts)

    def ssh(self, job, *words, **options):
        sudo = [] if self.config['targetUser'] == 'root' else self.config['privilegeEscalationCommand']
        return job.run(['ssh', self.target, *self.options, '--', *sudo, *words], **options)

    def copy(self, job, path, options):
        substitutes, gzip = '--no-substitute' not in options and '--no-substitutes' not in options, '--no-gzip' not in options
        if self.flake:
            words = ['nix', '--extra-experimental-features', 'nix-command', 'copy', '--no-check-sigs']
            words += ['--substitute-on-destination', '--builders-use-substitutes'] if substitutes else []
            words += ['--derivation'] if path.endswith('.drv') else []
            words += ['--to', f'ssh-ng://{self.target}' + ('?compress=true' if gzip else '')]
        else:
            words = ['nix-copy-closure', '--to', '--include-outputs']
            words += ['--use-substitutes'] if substitutes else []
            words += ['--gzip'] if gzip else []
            words += [self.target]
        job.run([*words, path], env={'NIX_SSHOPTS': ' '.join(self.options)})

    def upload(self, job, keys, ownership):
        for name, key in keys.items():
            job.row(f'Uploading key {name}')
            user, group, mode = (shlex.quote(key[each]) for each in ('user', 'group', 'permissions'))
            script = f'''set -euo pipefail
tmp={key['path']}.tmp; mkdir -p "$(dirname {key['path']})"; touch "$tmp"
if [ -n "{'1' if ownership else ''}" ] || {{ getent passwd {user} && getent group {group}; }} >/dev/null; then chown {user}:{group} "$tmp"
else echo "User {key['user']} and/or group {key['group']} do not exist. Skipping chown." >&2; fi
chmod {mode} "$tmp"; cat >"$tmp"; mv "$tmp" {key['path']}'''
            self.ssh(job, 'sh', '-c', shlex.quote(script), input=self.content(name, key))

    @staticmethod
    def content(name, key):
        try:
            if key['keyFile']:
                with open(key['keyFile'], 'rb') as file:
                    return file.read()
            if not key['keyCommand']:
                return key['text'].encode()
            end = subprocess.run(key['keyCommand'], stdin=subprocess.DEVNULL, capture_output=True)
        except OSError as problem:
            raise Failed(f'Error processing key "{name}": I/O Error: {problem.strerror} (os error {problem.errno})')
        if end.returncode != 0:
            said = end.stderr.decode().rstrip()
            raise Failed(f'Error processing key "{name}": Key command failed: exit status: {end.returncode}, stderr: {said}')
        return end.stdout

    def upload_all(self):
        with self.keys_job('Uploading keys') as job:
            self.upload(job, self.config['keys'], True)
            job.row('Uploaded keys')

    def keys_job(self, begin=''):
        return self.job(begin, 'Key upload failed', f'Failed to upload keys to {self.name}')

    def upload_some(self, late, options):
        if '--no-keys' in options:
            return
        when = 'post-activation' if late else 'pre-activation'
        keys = {name: key for name, key in self.config['keys'].items() if key['uploadAt'] == when}
        with self.keys_job() as job:
            if not keys:
                return job.row(f'No {when} keys to upload')
            job.row(f'Uploading {when} keys...')
            self.upload(job, keys, late)
            job.row(f'Uploaded keys ({when})')

    def build(self, drv, goal, options):
        on_target = '--no-build-on-target' not in options and (self.config['buildOnTarget'] or '--build-on-target' in options)
        with self.job(f'Building {self.name}', 'Build failed', f'Failed to build {self.name}') as job:
            if on_target:
                self.copy(job, drv, {})
                system = self.ssh(job, 'nix-store', '--no-gc-warning', '--realise', drv).strip().split('\n')[-1]
                job.row(f'Built "{system}" on target node')
                return system
            system = job.run(['nix-store', '--no-gc-warning', '--realise', drv]).strip().split('\n')[-1]
            job.row(f'Built "{system}"')
        if goal != 'build':
            with self.job('Pushing system closure', 'Push failed', f'Failed to push system closure to {self.name}') as job:
                self.copy(job, system, options)
                job.row('Pushed system closure')
        return system

    def activate(self, goal, system, options):
        self.upload_some(False, options)
        with self.job('Activating system profile', 'Activation failed', f'Failed to deploy to {self.name}') as job:
            if not self.config['replaceUnknownProfiles']:
                job.row('Checking remote profile...')
                known = self.ssh(job, 'sh', '-c', f'"readlink -e {PROFILE} || readlink -e /run/current-system"').strip()
                if os.path.exists(known):
                    job.row('Remote profile known')
                elif '--force-replace-unknown-profiles' in options:
                    job.row('Warning: Remote profile is unknown, but unknown profiles are being ignored')
                else:
                    raise Failed(f'Unknown active profile: Profile(StorePath("{known}"))')
            if goal in ('switch', 'boot'):
                self.ssh(job, 'nix-env', '--profile', PROFILE, '--set', system)
            self.ssh(job, f'{system}/bin/switch-to-configuration', goal)
            job.row(SUCCESS[goal])
        self.upload_some(True, options)


def deploy(node, drv, goal, options):
    try:
        if goal == 'upload-keys':
            return node.upload_all()
        system = node.build(drv, goal, options)
        if goal in SUCCESS:
            node.activate(goal, system, options)
    except Failed as problem:
        return problem


def main():
    command, goal, options = parse(sys.argv[1:])
    hive = Hive(options)
    if command == 'eval':
        if '-E' not in options:
            error('Provide either an expression (-E) or a .nix file containing an expression.')
            sys.exit(1)
        print(hive.eval(f"toJSON (hive.introspect ({options['-E'][0]}))"))
        return
    nodes = hive.select(options['--on'][0] if '--on' in options else None, goal)
    Job.width = max([Job.width, *(len(node.name) for node in nodes)])
    names = ', and '.join(node.name for node in nodes)
    drvs = {}
    if goal != 'upload-keys' and nodes:
        with Job(nodes[0].name if len(nodes) == 1 else '(...)', f'Evaluating {names}', 'Evaluation failed', f'Failed to evaluate {names}') as job:
            drvs = hive.eval(f'hive.evalSelectedDrvPaths {nix_list([node.name for node in nodes])}')
            job.row(f'Evaluated {names}')
    with ThreadPoolExecutor(10) as pool:
        problems = [end for end in pool.map(lambda node: deploy(node, drvs.get(node.name), goal, options), nodes) if end]
    with Job('', '', 'Failed', 'Failed to complete requested operation') as job:
        if problems:
            raise problems[0]
        job.row('All done!')


try:
    main()
except Failed as problem:
    for job in Job.failed:
        last = job.log[-20:]
        error(f'{job.summary} - Last {len(last)} lines of logs:')
        for line in last:
            error(line)
    error('-----')
    error(f'Operation failed with error: {problem}')
    print('Hint: Backtrace available - Use `RUST_BACKTRACE=1` environment variable to display a backtrace', file=sys.stderr)
    sys.exit(1)
