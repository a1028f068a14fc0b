/**
 * What becomes of a job whose lease has lapsed: the pure law. PostgreSQL has the same in SQL (`PgBossSql`).
 *
 * **Details**
 *
 * When a process dies nobody knows which of its jobs has killed it. So a lost execution is no attempt: it is counted apart, and
 * as many losses as the job has attempts are its end. A job that was lost twice, or once where another loss would be its last, is
 * set apart: a process runs one such job at a time. The one that kills dies of it, and those that were beside it come to their end.
 */

/** Losses after which a job is set apart. */
const enough = 2

export interface AfterLoss {
  /** It waits again; otherwise it has failed for good. */
  readonly goesOn: boolean
  readonly apart: boolean
}

/**
 * `attempts` are those that the job was stored with, `losses` all of it, the last one included. Both are at least 1.
 */
export const afterLoss = (attempts: number, losses: number): AfterLoss => {
  const goesOn = losses < attempts
  return { goesOn, apart: goesOn && losses >= Math.min(enough, attempts - 1) }
}

/** The same in SQL: whether it goes on, and whether it is set apart. */
export const afterLossSql = (attempts: string, losses: string) => ({
  goesOn: `(${losses} < ${attempts})`,
  apart: `(${losses} < ${attempts} AND ${losses} >= LEAST(${enough}, ${attempts} - 1))`
})
