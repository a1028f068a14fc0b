/**
 * Time limits of tasks, and the errors of those that run out of time.
 *
 * @since 0.1.0
 */
import { Duration, Option } from "effect"
import type { Pool } from "./FiberPool.ts"
import { DeadlineExceeded, InvalidConfig, TaskTimeout } from "./HerdError.ts"
import type { TaskOptions } from "./Task.ts"

type Phase = "waiting" | "delayed" | "running"

/** What the errors say about the herd. */
interface Situation {
  readonly herd: string
  readonly pool: Pick<Pool<never>, "counts">
  readonly line: { readonly size: () => number }
  readonly lastCreateError: () => unknown
}

const situation = ({ herd, lastCreateError, line, pool }: Situation, taskId: string, phase: Phase) => {
  const { busy, idle } = pool.counts()
  const error = lastCreateError()
  const known = { herd, taskId, phase, queued: line.size(), workers: idle + busy }
  return error === undefined ? known : { ...known, lastCreateError: error }
}

/**
 * @category errors
 * @since 0.1.0
 */
export const timedOut = (
  herd: Situation,
  taskId: string,
  phase: Phase,
  timeout: TaskOptions["timeout"]
): TaskTimeout =>
  new TaskTimeout({ ...situation(herd, taskId, phase), timeoutMillis: limitMillis("timeout", timeout) })

/**
 * @category errors
 * @since 0.1.0
 */
export const missed = (
  herd: Situation,
  taskId: string,
  phase: Phase,
  deadline: TaskOptions["deadline"]
): DeadlineExceeded =>
  new DeadlineExceeded({
    ...situation(herd, taskId, phase),
    deadlineMillis: limitMillis("deadline", deadline)
  })

/**
 * The milliseconds of a limit. Throws `InvalidConfig` when it is no duration.
 *
 * @category getters
 * @since 0.1.0
 */
export const limitMillis = (field: "timeout" | "deadline", input: TaskOptions["timeout"]): number => {
  const duration = input === undefined ? Option.none() : Duration.fromInput(input)
  const millis = Option.isSome(duration) ? Duration.toMillis(duration.value) : NaN
  if (millis >= 0) return millis
  throw new InvalidConfig({ field, value: input, rule: `a duration such as "5 seconds", at least 0` })
}
