import { type LabHost, labHost } from './host.ts'

/** A registry on a host of its own, with a login, and the images that are pushed to it: a BusyBox and one program. */
export class Registry implements AsyncDisposable {
  readonly host: LabHost
  readonly user = 'robot$bot'
  readonly password = 'the-registry-token'

  private constructor(host: LabHost) {
    this.host = host
  }

  get name() {
    return `${this.host.address}:5000`
  }

  static async start(): Promise<Registry> {
    const registry = new Registry(await labHost({ name: 'registry', user: 'root', layers: ['docker'] }))
    await registry.host.sh(`install -d /etc/registry /var/lib/registry
      htpasswd -Bbn '${registry.user}' '${registry.password}' >/etc/registry/htpasswd
      cat >/etc/registry/config.yml <<'END'
version: 0.1
storage: { filesystem: { rootdirectory: /var/lib/registry }, delete: { enabled: true } }
http: { addr: ':5000' }
auth: { htpasswd: { realm: lab, path: /etc/registry/htpasswd } }
END
      ${trust(registry.name)}
      mkdir -p /base/bin /base/etc /base/tmp; cp /usr/bin/busybox /base/bin
      for applet in $(/base/bin/busybox --list); do [ $applet = busybox ] || ln -s busybox /base/bin/$applet; done
      echo 'root:x:0:0::/:/bin/sh
bot:x:1234:1234::/:/bin/sh' >/base/etc/passwd`)
    await registry.up()
    await waitForEngine(registry.host)
    await registry.login(registry.host)
    return registry
  }

  /** `program` is a shell script; `extra` bytes make the image bigger. Gives the digest. */
  async push(image: string, program: string, extra = 0): Promise<string> {
    const ref = `${this.name}/${image}`
    await this.host.sh(
      `rm -rf /image; cp -a /base /image; cat >/image/program; chmod 755 /image/program
      [ ${extra} = 0 ] || head -c ${extra} /dev/urandom >/image/extra
      tar -C /image -c . | docker import --change 'CMD ["/program"]' --change 'USER bot' - ${ref}; docker push -q ${ref}`,
      { input: `#!/bin/sh\n${program}\n` },
    )
    return (
      await this.host.sh(`docker image inspect -f '{{index .RepoDigests 0}}' ${ref}; docker rmi ${ref} >/dev/null`)
    ).split('@')[1] as string
  }

  /** As somebody would by hand, who stays logged in. */
  async login(host: LabHost): Promise<void> {
    await host.sh(
      `printf %s '${this.password}' | docker login --username '${this.user}' --password-stdin ${this.name} 2>&1`,
    )
  }

  async up(): Promise<void> {
    await this.host.sh(
      'systemd-run -q --unit=lab-registry docker-registry serve /etc/registry/config.yml; for n in 1 2 3 4 5 6 7 8 9; do curl -s http://127.0.0.1:5000/ && break; sleep 0.3; done',
    )
  }

  async down(): Promise<void> {
    await this.host.sh('systemctl stop lab-registry')
  }

  async [Symbol.asyncDispose]() {
    await this.host[Symbol.asyncDispose]()
  }
}

/** Shell: this engine speaks to a registry of the lab, which has no certificate. */
export const trust = (registry: string, restart = 'systemctl restart docker') => `mkdir -p /etc/docker
      echo '{"insecure-registries": ["${registry}"]}' >/etc/docker/daemon.json; ${restart}`

export async function waitForEngine(host: LabHost): Promise<void> {
  await host.sh(
    'for n in 1 2 3 4 5 6 7 8 9 10 11 12; do docker version >/dev/null 2>&1 && exit 0; sleep 0.5; done; exit 1',
  )
}
