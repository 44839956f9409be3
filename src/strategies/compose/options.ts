/** What the strategies for Docker read of the inputs. The password of the registry is none of it. */
export interface ComposeOptions {
  /** Relative to the tree; empty is what Compose itself would find. */
  readonly files: readonly string[]
  readonly project: string
  readonly profiles: readonly string[]
  /** Services and the images that they are to run. */
  readonly images: readonly { readonly service: string; readonly ref: string }[]
  readonly registry: string
  readonly registryUser: string
  readonly verify: '' | 'attestation' | 'cosign'
}

export const noCompose: ComposeOptions = {
  files: [],
  project: '',
  profiles: [],
  images: [],
  registry: '',
  registryUser: '',
  verify: '',
}
