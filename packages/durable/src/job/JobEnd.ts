/** What a stored job says, typed again. */
import { Effect, Result } from "effect"
import type { AnyJob } from "./JobDefinition.ts"
import { JobCancelled, JobFailed } from "../port/JobError.ts"
import type { JobRecord } from "../port/JobStore.ts"
import { describe } from "../port/Json.ts"

/** The payload, by the schema of today. */
export const decoded = <P>(job: AnyJob, payload: unknown): Result.Result<P, Error> =>
  Result.try({
    try: () => job.codecs.payload.decode(payload) as P,
    catch: (error) => (error instanceof Error ? error : new Error(describe(error)))
  })

/** The result of a job that has ended, or its error. */
export const resultOf = (job: AnyJob, record: JobRecord): Effect.Effect<unknown, unknown> => {
  const { failure, id, queue } = record
  if (record.state === "cancelled") return Effect.fail(new JobCancelled({ queue, id }))
  const { codecs } = job
  if (record.state === "completed")
    return Effect.try({
      try: () => codecs.success.decode(record.result),
      catch: (error) =>
        new JobFailed({
          queue,
          id,
          reason: "undecodable",
          detail: describe(error),
          attempts: record.attempts
        })
    })
  const { message: detail = "nothing is known", reason = "lost" } = failure ?? {}
  const asIs = new JobFailed({ queue, id, reason, detail, attempts: record.attempts })
  if (reason !== "failed") return Effect.fail(asIs)
  const own = Result.try(() => codecs.error.decode(failure?.error))
  return Effect.fail(Result.isSuccess(own) ? own.success : asIs)
}
