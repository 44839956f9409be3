import { homedir } from 'node:os'
import { join } from 'node:path'

/** Everything that the lab keeps or makes is below this folder; it must not be on an overlay file system. */
export const labFolder = process.env.HOMELAB_LAB ?? join(homedir(), '.cache', 'homelab-lab')

/** Kept between runs: root file systems that hosts are laid over. */
export const imagesFolder = join(labFolder, 'images')

/** Gone after each run: one folder per host. */
export const hostsFolder = join(labFolder, 'hosts')

export const lockFile = join(labFolder, 'lock')
