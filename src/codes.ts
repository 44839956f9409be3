/**
 * Every error code a user can meet, with the text of its entry in docs/errors.md (generated from here).
 * A code is never reused and never changes its meaning: people search for it, workflows match on it.
 */
export const codes = {
  'HD-INPUT-01': {
    title: 'The inputs were refused',
    cause: 'One or more inputs or config keys are unknown, malformed, contradictory or dangerous.',
    fix: 'The annotation lists every problem at once, each with its fix. Nothing was touched.',
  },
  'HD-ENV-01': {
    title: 'A required secret is empty',
    cause:
      'The secret does not exist in this repository or environment, or the event (a fork, Dependabot) gets no secrets.',
    fix: 'Create the secret, or set `if-unconfigured: skip` where skipping is what you want.',
  },
  'HD-NODE-01': {
    title: 'The Node of the runner is too old',
    cause:
      'act and the runners of Gitea and Forgejo start actions with the `node` they find, which is older than Node 24.',
    fix: 'Give the job an image with Node 24, such as `container: node:24-bookworm`, or put Node 24 first on the `PATH` of the runner.',
  },
  'HD-NET-01': {
    title: 'The host name could not be resolved',
    cause: 'The name is misspelt, or only a tailnet or a private DNS server knows it and the runner is not in there.',
    fix: 'Check the name; for a tailnet name give the action its `tailnet-…` inputs.',
  },
  'HD-NET-03': {
    title: 'The SSH port cannot be reached',
    cause: 'Nothing listens on the port, or a firewall or an ACL drops the packets.',
    fix: 'Check that sshd runs on that port and that the firewall and the tailnet policy let the runner in.',
  },
  'HD-NET-06': {
    title: 'A private address, and no way into its network',
    cause: 'The host is a private address which a hosted runner cannot reach.',
    fix: 'Join the tailnet with the `tailnet-…` inputs, use a `jump-host`, or run the job on a self-hosted runner.',
  },
  'HD-NET-07': {
    title: 'There is no route to the host',
    cause: 'The runner knows no way to that network, or the host is down.',
    fix: 'Check that the host is up, and that the runner is in the same network or tailnet.',
  },
  'HD-NET-08': {
    title: 'The port answers, but not with SSH',
    cause: 'The connection was accepted and no SSH banner came: another service, an overloaded sshd, or a proxy.',
    fix: 'Check the port; on a busy host raise `MaxStartups` in sshd_config.',
  },
  'HD-TAILNET-01': {
    title: 'No key to join the tailnet was given',
    cause:
      'The OAuth client or the identity of the job was refused, may not give these tags, or the API could not be reached.',
    fix: 'For OIDC compare issuer, subject and audience in the message with the credential in the admin console; check its tags and the scope `auth_keys`.',
  },
  'HD-TAILNET-02': {
    title: 'Tailscale could not be got, or not be trusted',
    cause: 'The download failed, or what came is not what Tailscale published, so it was not run.',
    fix: 'Check the way out of the runner and `tailnet-version`; use `tailnet-mirror` or `tailnet-binary` where there is none.',
  },
  'HD-TAILNET-03': {
    title: 'tailscaled does not run on the runner',
    cause: 'It ended, or did not answer, at its start or in the middle.',
    fix: 'Its last lines are in the log and in the summary.',
  },
  'HD-TAILNET-04': {
    title: 'The tailnet did not let the runner in',
    cause: 'The auth key is expired, used up, revoked or of another network, or a person has to approve the node.',
    fix: 'Make a new key that is ephemeral, reusable and pre-approved, or join by OIDC, which needs no key.',
  },
  'HD-TAILNET-05': {
    title: 'The tailnet does not show the host',
    cause: 'The name is misspelt, or the policy (ACL) has no rule that lets the tags of the runner reach the host.',
    fix: 'Compare the name with `tailscale status` on another machine; add the rule shown to the policy.',
  },
  'HD-TAILNET-06': {
    title: 'The host is in the tailnet and cannot be reached',
    cause:
      'It is offline, its key has expired, or the policy or a firewall keeps this port closed. The message says which.',
    fix: 'On the host look at `tailscale status`; compare the rule shown with the policy.',
  },
  'HD-TAILNET-07': {
    title: 'There is no tailnet to use',
    cause: 'An input asks for a tailnet, and the runner is in none and joined none.',
    fix: 'Give credentials (`tailnet-authkey`, or `tailnet-client-id` with a secret or OIDC), or join one on the runner.',
  },
  'HD-SSH-01': {
    title: 'The host key is not known, or not the expected one',
    cause:
      'No `host-key` was given, or the host showed another key: a new installation, another machine, or somebody in between.',
    fix: 'Compare the key shown with the output of the command shown, run at the host itself. Then paste the line.',
  },
  'HD-SSH-02': {
    title: 'The private key cannot be used',
    cause: 'The secret does not hold a complete private key in a format that can be read.',
    fix: 'Store the whole file, from its BEGIN line to its END line. `ssh-keygen -y -f FILE` must print its public key.',
  },
  'HD-SSH-03': {
    title: 'The host refused to let us in',
    cause: 'The user does not exist there, its authorized_keys lacks the key, or a policy forbids the login.',
    fix: 'Add the public key shown to ~/.ssh/authorized_keys of that user.',
  },
  'HD-SSH-04': {
    title: 'A time limit was reached',
    cause: 'The host did not finish in time. What was still running there was stopped.',
    fix: 'Look at the last lines of its output; raise the limit when the work is really that long.',
  },
  'HD-SSH-05': {
    title: 'The connection was lost',
    cause: 'The network, sshd or the host went away in the middle.',
    fix: 'Nothing is assumed: the next run asks the host what happened and settles it first.',
  },
  'HD-SSH-07': {
    title: 'The login works, but gives no usable shell',
    cause: 'The account has a `nologin` shell, a forced command, or a start file that ends the session.',
    fix: 'Give the user a shell (`chsh -s /bin/sh USER`), or remove the forced command from its authorized_keys line.',
  },
  'HD-SSH-08': {
    title: 'The private key has a passphrase',
    cause: '`ssh-key-passphrase` is missing, or is not the one of this key.',
    fix: 'Set `ssh-key-passphrase`, or use a key without one that may do nothing but deploy.',
  },
  'HD-SSH-09': {
    title: 'The SSH agent cannot be used',
    cause: 'SSH_AUTH_SOCK names a socket where no agent answers, or its agent holds no key.',
    fix: 'Start the agent and add the key before this step, or use `ssh-key`.',
  },
  'HD-SSH-10': {
    title: 'No SSH algorithm in common',
    cause: 'The sshd of the host is so old, or so restricted, that no key exchange, cipher or key type is left.',
    fix: 'Update sshd, or allow a modern algorithm in its configuration.',
  },
  'HD-SUDO-01': {
    title: 'sudo would ask for a password',
    cause: 'The user may not run the command as root without a password.',
    fix: 'Add the sudoers line shown, or deploy as a user that owns the files.',
  },
  'HD-PATH-01': {
    title: 'A tool is missing on the host',
    cause: 'It is not installed, or lies in a folder that was not searched.',
    fix: 'Install it with the command shown.',
  },
  'HD-PATH-03': {
    title: '`path` is not a directory',
    cause: 'There is a file, a device or a broken link where the directory should be.',
    fix: 'Choose another `path`, or move what is there away.',
  },
  'HD-PATH-04': {
    title: 'No permission at `path`',
    cause: 'The user that logs in may not write there, and sudo is not available for it.',
    fix: 'Run the `chown` or `install -d` shown on the host once, or deploy as the owner.',
  },
  'HD-TOOL-01': {
    title: 'A tool has the wrong version',
    cause: 'It is older than what the strategy needs, or another than the project itself requires.',
    fix: 'Update it with the command shown.',
  },
  'HD-UV-01': {
    title: 'uv could not make the environment',
    cause: 'A package could not be downloaded or built, no fitting Python was found, or an argument is wrong.',
    fix: 'The words of uv are in the log and in the summary. The old version was not touched.',
  },
  'HD-UV-02': {
    title: 'uv.lock is stale',
    cause: 'pyproject.toml asks for something that uv.lock does not know.',
    fix: 'Run `uv lock` and commit the result.',
  },
  'HD-UNIT-01': {
    title: 'A unit cannot be used',
    cause: 'No unit of that name exists, it is masked, or systemd refuses its file.',
    fix: 'Check the name and the file; `systemd-analyze verify FILE` shows the same.',
  },
  'HD-UNIT-02': {
    title: 'A unit did not start',
    cause: 'systemd tried to start the new version, and it ended, was not ready in time, or was tried too often.',
    fix: 'The lines of its journal are in the summary.',
  },
  'HD-UNIT-03': {
    title: 'A unit cannot reach its Python',
    cause: 'The unit runs as a user who may not enter the folder of the interpreter, such as one in the home of root.',
    fix: 'Put the interpreter where everybody may read it: `UV_PYTHON_INSTALL_DIR=/opt/uv/python`, or the one of the system.',
  },
  'HD-UNIT-04': {
    title: 'There is no systemd for these units',
    cause: 'The host runs none, or the units of this user end with its last session, because it does not linger.',
    fix: 'For user units run `sudo loginctl enable-linger USER` on the host once.',
  },
  'HD-ENGINE-01': {
    title: 'There is no container engine to talk to',
    cause: 'Docker or Compose is not installed, does not run, or this user may not talk to it.',
    fix: 'Start it, put the user into the group `docker`, or allow `sudo -n docker`.',
  },
  'HD-COMPOSE-01': {
    title: 'The Compose file was refused',
    cause: 'There is none, or Compose on the host does not understand it.',
    fix: 'Run `docker compose config -q` where the file is. Nothing was changed.',
  },
  'HD-COMPOSE-02': {
    title: 'A variable of the Compose file is not set',
    cause: 'Compose would put nothing in its place, warn, and go on.',
    fix: 'Set it in `env-file`, or give it a default in the file, as Compose describes under *interpolation*.',
  },
  'HD-COMPOSE-03': {
    title: 'The Compose file does not fit the host',
    cause: 'It names a network, volume, service or project that is not there, or leaves out data that is mounted.',
    fix: 'The message says what is missing, and the command for it. Nothing was changed.',
  },
  'HD-COMPOSE-04': {
    title: 'Compose could not start the new version',
    cause: 'A container could not be made or started, a port is taken, or a dependency did not become healthy.',
    fix: 'The words of Compose and the logs of the containers are in the summary.',
  },
  'HD-IMAGE-01': {
    title: 'The registry refused the login or the pull',
    cause: 'The user or the token is wrong, has expired, or may not read that image.',
    fix: 'Check `registry`, `registry-username` and `registry-password`. Nothing was changed.',
  },
  'HD-IMAGE-02': {
    title: 'An image could not be had',
    cause: 'The registry has no such name, tag or platform.',
    fix: 'Check the reference, and that the build pushed it. Nothing was changed.',
  },
  'HD-IMAGE-03': {
    title: 'The registry cannot be reached',
    cause: 'The host has no way to it, cannot resolve its name, or does not trust its certificate.',
    fix: 'Try `docker pull` on the host. Nothing was changed.',
  },
  'HD-IMAGE-04': {
    title: 'An image could not be verified',
    cause: 'Nobody trusted vouches for its digest, or a service is not pinned by one.',
    fix: 'Attest or sign the image in the workflow that builds it, and give its digest in `images`.',
  },
  'HD-STACK-01': {
    title: 'The host manages no Swarm',
    cause: 'A stack can be deployed by a manager of a Swarm only.',
    fix: 'Name a manager in `host`, or make one with `docker swarm init`.',
  },
  'HD-DISK-01': {
    title: 'The disk of the host is full',
    cause: 'There is not enough space (or there are no inodes) for the new release beside the old one.',
    fix: 'Free some space, lower `keep`, or exclude what need not be sent. The running version was not touched.',
  },
  'HD-LOCK-01': {
    title: 'Another deploy holds the lock',
    cause: 'A run with the same `name` is deploying to this host, or somebody took the lock by hand.',
    fix: 'Wait for the run shown, or raise `lock-timeout`.',
  },
  'HD-LOCK-02': {
    title: 'Held for maintenance',
    cause: 'Somebody at the host put the file `maintenance` into the state directory, with a reason in it.',
    fix: 'Ask whoever holds it. When the work is done: `STATE/rollback release` on the host, or remove the file.',
  },
  'HD-REV-01': {
    title: 'The commit does not descend from the one that runs',
    cause:
      'An old workflow run was started again, another branch was deployed, or the history was rewritten. What the running commit brought would be lost.',
    fix: 'Start a new run from the right branch. To go back use `mode: rollback`; to do it nevertheless, `allow-downgrade: true`.',
  },
  'HD-SYNC-01': {
    title: 'The sync would delete too many files',
    cause:
      'More files exist on the host than `delete-limit` allows to delete: often a wrong `path`, or data that `protect` should name.',
    fix: 'Name what must stay in `protect`, or raise `delete-limit` once.',
  },
  'HD-SYNC-03': {
    title: 'Files of another owner are in the way',
    cause: 'Replacing them would change their owner, and only root may give files away.',
    fix: 'Run the `chown` shown on the host, deploy as the owner, or allow sudo.',
  },
  'HD-SYNC-05': {
    title: 'The transfer failed',
    cause: 'The tool that receives the files on the host, or the one that sends them, ended with an error.',
    fix: 'The last lines of its output say why. Nothing was changed at `path`.',
  },
  'HD-SYNC-06': {
    title: 'The source cannot be read',
    cause:
      '`source` does not exist, is not a directory, changed while it was read, or is not the git checkout that was asked for.',
    fix: 'Check `source` and that `actions/checkout` ran before this step.',
  },
  'HD-SYNC-07': {
    title: 'The host cannot take a file name',
    cause: 'A file name holds a line break, which the simple tools of this host cannot handle.',
    fix: 'Rename or exclude the file.',
  },
  'HD-SYNC-08': {
    title: 'The commit does not hold everything',
    cause: 'Submodules and Git LFS content are not part of a commit, so `sync: git` cannot send them.',
    fix: 'Use `sync: auto` with `submodules: recursive` or `lfs: true` for actions/checkout.',
  },
  'HD-NIX-01': {
    title: 'The flake cannot be used',
    cause: 'There is no flake.nix, it has no such system, flake.lock is stale, or the host runs no NixOS.',
    fix: 'Check `flake`: `./FOLDER#NAME`, where NAME is one of `nixosConfigurations`.',
  },
  'HD-NIX-02': {
    title: 'The system could not be built',
    cause: 'The flake cannot be evaluated, a package does not build, or something could not be downloaded.',
    fix: 'The words of Nix are in the log and in the summary. Nothing was changed.',
  },
  'HD-NIX-03': {
    title: 'The system could not be activated',
    cause: '`switch-to-configuration` ended with an error, crashed, or another activation was at it.',
    fix: 'The host went back to the system of before. The message says what the exit code means.',
  },
  'HD-NIX-04': {
    title: 'Units failed in the new system',
    cause:
      'The new system ran, units failed in it that had not failed before, and no health check said that this is well.',
    fix: 'Look at their journals. With `health` it is your checks that decide.',
  },
  'HD-NIX-05': {
    title: 'The host does not trust what the runner built',
    cause: 'A user who is not in `trusted-users` may only bring paths with a signature that the host knows.',
    fix: 'Deploy as root or as a trusted user, sign the paths, or use `build-on: host`.',
  },
  'HD-NIX-06': {
    title: 'Secrets would enter the Nix store',
    cause:
      'The folder of the flake holds a `.env` and is no git repository, so that Nix would copy it for everybody to read.',
    fix: 'Leave it out of the source, and give it by `env-file` or `secret-files`.',
  },
  'HD-NIX-07': {
    title: 'The system is for another machine',
    cause: 'Its architecture is not that of the host, or not that of the machine which was to build it.',
    fix: 'Check the name after `#` in `flake`; build on the host, or set up emulation.',
  },
  'HD-NIX-08': {
    title: 'There is no room for the new kernel',
    cause: 'The partition of the boot loader is too full for what the new system would write there.',
    fix: 'Remove old generations on the host. Nothing was changed.',
  },
  'HD-STRATEGY-01': {
    title: 'The strategy could not be chosen',
    cause: '`strategy: auto` found no known file in `source`, or files of two strategies.',
    fix: 'Set `strategy` yourself.',
  },
  'HD-STEP-01': {
    title: 'A command of yours failed on the host',
    cause: 'The shell text of `before`, `prepare`, `activate`, `restore` or `after` ended with an error.',
    fix: 'Its last lines are in the log and in the summary.',
  },
  'HD-DATA-01': {
    title: 'A backup could not be made',
    cause: 'What a line of `backup` names is gone, may not be read, or the tool that copies it failed.',
    fix: 'The message says which line and why. The old version serves, untouched.',
  },
  'HD-DATA-02': {
    title: 'A backup was not sound',
    cause: 'It was written, and could not be read back whole; it was thrown away.',
    fix: 'Look at the disk of the host, and at the data itself: a database may be damaged. The old version serves, untouched.',
  },
  'HD-DATA-03': {
    title: 'A tool for the backup is missing',
    cause: '`sqlite3` or `python3`, or the client of PostgreSQL is not installed, or is older than the server.',
    fix: 'Install what the message names. The old version serves, untouched.',
  },
  'HD-DATA-04': {
    title: 'There is no room for the backup',
    cause:
      'The data is larger than the free space of the disk that holds the state directory; with `rollback: data` there has to be room for it twice.',
    fix: 'Free some space, or lower `keep=`. The old version serves, untouched.',
  },
  'HD-DATA-05': {
    title: 'The migration failed',
    cause: '`migrate` ended with an error, and may have done a part of its work.',
    fix: 'The old version serves again. Its data is as the migration left it, unless `rollback: data` brought it back; the next deploy runs the migration again.',
  },
  'HD-DATA-06': {
    title: 'There is no backup to go back to',
    cause:
      '`mode: rollback` with `rollback: data` needs the backup that was made when the older release was left, and there is none.',
    fix: 'Go back without `rollback: data`, or restore another backup by hand.',
  },
  'HD-DATA-07': {
    title: 'The data could not be brought back',
    cause: 'Restoring a backup ended with an error. What was there is kept beside the backups.',
    fix: 'The message says which data and why.',
  },
  'HD-HIVE-01': {
    title: '`nodes` selects no node of the hive',
    cause: 'A name is misspelt, or no node has that tag. colmena itself would report success.',
    fix: 'The message lists the nodes that there are. Nothing was touched.',
  },
  'HD-HIVE-02': {
    title: 'The hive could not be evaluated',
    cause: 'Nix found an error in it, or what it reads (an environment variable, a file) is not there.',
    fix: 'The words of Nix are in the log. A hive that reads the environment needs `colmena-args: --impure`. Nothing was touched.',
  },
  'HD-HIVE-03': {
    title: 'A node has no address',
    cause: 'Its `deployment.targetHost` is null or no address, or two nodes have the same one.',
    fix: 'Set `deployment.targetHost`, or leave the node out of `nodes`.',
  },
  'HD-HIVE-04': {
    title: 'The runner cannot build for the node',
    cause: 'The node has another architecture, and the runner has neither emulation nor a remote builder for it.',
    fix: 'Set `deployment.buildOnTarget`, or use a runner of that architecture. Nothing was touched.',
  },
  'HD-HIVE-05': {
    title: 'A secret would enter the Nix store',
    cause: 'The file is tracked by git, or named by a path that Nix copies; the store may be read by everybody.',
    fix: 'Keep it out of git, and name it by a quoted absolute path. The message says which one.',
  },
  'HD-HIVE-06': {
    title: 'The keys could not be uploaded',
    cause: 'A `keyFile` is not there, a `keyCommand` failed, or the node refused the file.',
    fix: 'The words of colmena are in the log and in the summary. The system and the keys of before were put back.',
  },
  'HD-HIVE-07': {
    title: 'The systems could not be built or copied',
    cause: 'A derivation failed, the disk is full, or the node does not trust what it was sent.',
    fix: 'The words of Nix are in the log. The nodes were not changed.',
  },
  'HD-HIVE-08': {
    title: 'colmena could not activate the new system',
    cause: 'With `activation: native` a unit that failed, or a connection that was lost, is a failure.',
    fix: 'Its words are in the log. The old system was put back.',
  },
  'HD-PROMOTE-01': {
    title: 'This commit is not healthy where it has to be first',
    cause: '`require-release` names a target that runs another commit, or none, or one that was not confirmed.',
    fix: 'Deploy this very commit there first. Nothing was touched.',
  },
  'HD-GUARD-01': {
    title: 'Nobody confirmed the new version in time',
    cause:
      'The runner went away, or could not reach the host any more, before it had confirmed; so the host took the change back by itself.',
    fix: 'If the deploy cut its own network, deploy over a way that survives it. If the work needs longer, raise `confirm-timeout`.',
  },
  'HD-HEALTH-01': {
    title: 'The new version is not healthy',
    cause: 'A health check did not pass in time, or did not stay passed.',
    fix: 'The check, its last answer and the logs of the time are in the summary.',
  },
  'HD-ROLL-01': {
    title: 'The rollback itself failed',
    cause: 'Putting the previous version back ended with an error, so the host needs a person.',
    fix: 'Log in and look; the state directory holds the previous files and a log of both attempts.',
  },
  'HD-ROLL-02': {
    title: 'There is no such release to go back to',
    cause: 'Nothing that was kept on the host matches `to`, or there is no earlier healthy release.',
    fix: 'Choose one of the releases listed.',
  },
  'HD-ROLL-03': {
    title: 'The old version is back, and not healthy',
    cause:
      'Its files and its activation were put back, and a check that was healthy before the deploy is not any more.',
    fix: 'Look for what the deploy changed outside of `path`: data, a dependency, the network.',
  },
  'HD-FLEET-01': {
    title: 'The hosts do not run the same version',
    cause:
      'The new version was confirmed on some hosts, and another was lost at that very moment and took its change back.',
    fix: 'Run the deploy again for all of them, or go back on the others by `mode: rollback`.',
  },
  'HD-PLAN-01': {
    title: 'Several things are in the way of a deploy',
    cause: '`mode: plan` looked for all that would stop a deploy, and found more than one thing.',
    fix: 'Each is listed with its own code and fix. One alone is reported under its own code.',
  },
  'HD-STATUS-01': {
    title: 'What runs is not healthy',
    cause: '`mode: status` asked the health checks of the release that runs, and not all of them hold.',
    fix: 'The summary says what each check saw, what differs from what was deployed, and which releases one can go back to.',
  },
  'HD-STATUS-02': {
    title: 'What runs is not what was deployed',
    cause:
      'Somebody or something changed files, variables, units or containers on the host since the last deploy, and `fail-on-drift` is set.',
    fix: 'The summary lists what differs. A deploy puts it back; what has to stay belongs into the repository, or into `protect`.',
  },
  'HD-STATUS-03': {
    title: 'Nothing was deployed here yet',
    cause: '`mode: status` found no release of this application on the host.',
    fix: 'Check `host`, the user and `name`: each user has a state directory of its own. Otherwise deploy first.',
  },
  'HD-CANCEL-01': {
    title: 'The job was cancelled',
    cause: 'Somebody cancelled the run, or the step reached its time limit.',
    fix: 'Run it again. The summary says which version the host was left with.',
  },
  'HD-INTERNAL-01': {
    title: 'A fault in homelab-deploy',
    cause: 'Something happened that the action did not foresee.',
    fix: 'Please open an issue with the log of the step.',
  },
} as const satisfies Record<`HD-${string}`, { title: string; cause: string; fix: string }>

export type Code = keyof typeof codes
