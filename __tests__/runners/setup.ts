import { buildRunners } from './programs.ts'

export default buildRunners
