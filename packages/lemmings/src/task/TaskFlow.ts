/**
 * What flow control makes of one task: why it is refused, whether its failure holds its key, and whether it may be tried again.
 */
import { Cause, Exit } from "effect"
import * as AsyncContext from "../internal/AsyncContext.ts"
import type { Refusal } from "../flow/Line.ts"
import * as Durations from "../model/Durations.ts"
import { QueueFull, RateLimited } from "../model/HerdError.ts"
import type { Lease } from "../workers/Worker.ts"
import * as Retry from "./Retry.ts"
import { shedding } from "./TaskLimits.ts"
import * as TaskNews from "./TaskNews.ts"
import type { Runtime } from "./TaskRuntime.ts"
import type { TaskTerms } from "./TaskTerms.ts"

interface Flowing extends TaskNews.Told {
  readonly terms: TaskTerms
  readonly more: { holds: number }
}

/** Times that one task may be put back by holds of its key. */
const mostHolds = 10

/** How a task ends that flow control refuses. */
export const refusal = (
  rt: Pick<Runtime, "herd" | "sheds">,
  id: string,
  { capacity, key, refused, retryAfterMillis }: Refusal
): Exit.Exit<never, unknown> => {
  const whose = key === undefined ? {} : { key }
  switch (refused) {
    case "overloaded":
      return shedding(rt, id, "overloaded")
    case "keyFull":
      return Exit.fail(new QueueFull({ herd: rt.herd, capacity, ...whose }))
    case "limited":
      return Exit.fail(new RateLimited({ herd: rt.herd, retryAfterMillis, ...whose }))
  }
}

/**
 * Asks whether the failure says that its key has to wait, and holds the key. Returns whether the task goes back to its place
 * as if it had not been started: not when it must not run again, and not more than ten times.
 */
export const holds = (
  rt: Pick<Runtime, "events" | "line" | "own" | "tally">,
  task: Flowing,
  lease: Lease,
  cause: Cause.Cause<unknown>,
  now: number
): boolean => {
  const { flow } = rt.line
  const asked = flow?.limits().hold
  if (flow === undefined || asked === undefined || !Retry.isTyped(cause)) return false
  let millis: number | undefined
  try {
    const said = AsyncContext.run(rt.own, asked, Cause.squash(cause))
    if (said === undefined) return false
    millis = Durations.decodeUnsafe("limits.hold", said)
  } catch (defect) {
    rt.events.report("limits.hold", Cause.die(defect))
    return false
  }
  const { key, once } = task.terms
  flow.hold(key, millis, now, lease.seat)
  const again = !once && task.more.holds < mostHolds
  if (again) {
    task.more.holds++
    rt.tally.holds++
  }
  TaskNews.held(rt, task, lease, millis)
  return again
}

/** Whether the budget has a retry left, and takes it. One that is refused is counted and told. */
export const mayRetry = (
  rt: Pick<Runtime, "budget" | "events" | "tally">,
  task: TaskNews.Told,
  now: number
): boolean => {
  if (rt.budget === undefined || rt.budget.withdraw(now)) return true
  rt.tally.retriesRefused++
  TaskNews.retryRefused(rt, task)
  return false
}
