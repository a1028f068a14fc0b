/** What the functions of the user say of a failure, each asked in its own async context. */
import { Cause } from "effect"
import * as AsyncContext from "../internal/AsyncContext.ts"
import * as Retry from "./Retry.ts"
import type { Runtime } from "./TaskRuntime.ts"

/** Whether the worker is still good, as `checkHealth` of the layer says. */
export const isHealthy = (
  { checkHealth, events, own }: Pick<Runtime, "checkHealth" | "events" | "own">,
  cause: Cause.Cause<unknown>
): boolean =>
  checkHealth === undefined ||
  AsyncContext.run(own, () =>
    Retry.judge(checkHealth, cause, true, (defect) => events.report("checkHealth", defect))
  )

/** Whether the task may run again, as its submitter's `while` says. */
export const isWanted = (
  { events }: Pick<Runtime, "events">,
  wanted: ((error: unknown) => boolean) | undefined,
  from: AsyncContext.AsyncContext,
  cause: Cause.Cause<unknown>
): boolean =>
  wanted === undefined ||
  AsyncContext.run(from, () =>
    Retry.judge(wanted, Cause.squash(cause), false, (defect) => events.report("while", defect))
  )
