/** How many jobs to claim: a pure decision. */

/** What is known when the decision is made. Counts are of workers or of tasks. */
export interface Situation {
  readonly workers: {
    /** Ready, nothing to do. */
    readonly idle: number
    readonly starting: number
    readonly size: number
    /** Most that there may be. 0: none is wanted. */
    readonly max: number
  }
  /** Tasks that wait in the herd, whoever submitted them. */
  readonly queued: number
  /** Jobs that are being claimed for this herd now. */
  readonly claiming: number
  /** Jobs of this queue that this process holds. */
  readonly held: number
  /** How many of them wait in the herd: 0, or any other number where some do. */
  readonly unbegun: number
  /** Most jobs of this queue that this process may hold. */
  readonly limit: number
  /** Milliseconds that a claim takes. */
  readonly claimMillis: number
  /** Milliseconds that a job runs. 0 when none has. */
  readonly runMillis: number
  /** Whether the herd may be asked to grow. */
  readonly mayGrow: boolean
  /** Whether a job may wait among the herd's other tasks. */
  readonly mayWait: boolean
}

/** Jobs claimed ahead for one worker, at most. */
const aheadPerWorker = 32

/**
 * How many jobs are about to be needed: those that the workers will finish during the claim. A job that is claimed ahead
 * therefore waits here for about one claim, and long jobs are never claimed ahead.
 */
export const ahead = ({ claimMillis, runMillis, workers }: Situation): number => {
  if (runMillis <= 0) return 0
  return Math.floor(workers.size * Math.min(aheadPerWorker, claimMillis / runMillis))
}

/**
 * How many workers the herd may start when it sees tasks waiting: what its policy adds in one step at most.
 */
export const growth = ({ mayGrow, workers }: Situation): number => {
  if (!mayGrow) return 0
  const size = workers.size
  return Math.max(0, Math.min(workers.max - size, Math.max(size, 4)))
}

/** One that waits among the tasks of others is not kept from anybody: it is given back when its turn does not come. */
const inLine = ({ held, limit, mayWait, queued, unbegun }: Situation): number =>
  queued > 0 && unbegun === 0 && held < limit && mayWait ? 1 : 0

/**
 * How many jobs to claim now.
 *
 * Free workers, those that are starting and those that the herd may start, and what will be needed when the claim is
 * back, less what waits for them already; and one, where the herd has other tasks in its line, to stand there by its priority. While no worker is idle it is not worth a round trip until half of what is
 * claimed ahead has been used.
 */
export const wanted = (situation: Situation): number => {
  const { claiming, held, limit, queued, workers } = situation
  if (workers.max === 0) return 0
  const prefetch = ahead(situation)
  const free = workers.idle + workers.starting + growth(situation)
  const room = Math.min(free + prefetch - queued - claiming, limit - held)
  if (room <= 0) return inLine(situation)
  const starved = workers.idle + workers.starting - queued - claiming > 0
  return starved || room * 2 >= prefetch ? room : 0
}

/** A moving average of the last values, each weighing an eighth. */
export const average = (before: number, value: number): number =>
  before === 0 ? value : before + (value - before) / 8
