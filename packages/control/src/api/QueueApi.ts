/**
 * The part of the control API that looks after queues of durable jobs.
 *
 * @since 0.4.0
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { QueueJob, QueueLetter } from "lemmings/QueueRegistry"
import { QueueAway, UnknownJob, UnknownQueue } from "../model/ControlError.ts"
import { Guarded, Understood } from "./ControlMiddleware.ts"
import { QueueSnapshot } from "../model/ControlModel.ts"

/** A path parameter: percent-encoded where it has a slash. */
const queue = { id: Schema.String.annotate({ description: "The queue's name, percent-encoded" }) }
const job = { ...queue, jobId: Schema.String }

const limitRule = "must be an integer from 1 to 1,000"
const page = {
  limit: Schema.optionalKey(
    Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1000 })).annotate({
      message: limitRule
    })
  ),
  after: Schema.optionalKey(Schema.String.annotate({ description: "`next` of the page before" }))
}

/**
 * Which dead letters: these, or with `all` every one, or every one that died before an instant in epoch milliseconds.
 *
 * @category models
 * @since 0.4.0
 */
export const Letters = Schema.Struct({
  ids: Schema.optionalKey(
    Schema.Array(Schema.String).annotate({ message: "must be a list of ids of dead letters" })
  ),
  all: Schema.optionalKey(Schema.Literal(true).annotate({ message: "must be true, or left away" })),
  diedBefore: Schema.optionalKey(Schema.Finite.annotate({ message: "must be a number, epoch milliseconds" }))
})

/**
 * @category models
 * @since 0.4.0
 */
export type Letters = typeof Letters.Type

/** The calls. */
export class QueuesGroup extends HttpApiGroup.make("queues")
  .add(
    HttpApiEndpoint.get("list", "/queues", {
      success: Schema.Struct({ queues: Schema.Array(QueueSnapshot) })
    }),
    HttpApiEndpoint.get("get", "/queues/:id", {
      params: queue,
      success: QueueSnapshot,
      error: UnknownQueue
    }),
    HttpApiEndpoint.post("pause", "/queues/:id/pause", {
      params: queue,
      success: QueueSnapshot,
      error: [UnknownQueue, QueueAway]
    }),
    HttpApiEndpoint.post("resume", "/queues/:id/resume", {
      params: queue,
      success: QueueSnapshot,
      error: [UnknownQueue, QueueAway]
    }),
    HttpApiEndpoint.get("deadLetters", "/queues/:id/dead-letters", {
      params: queue,
      query: page,
      success: Schema.Struct({
        queue: Schema.String,
        letters: Schema.Array(QueueLetter),
        /** What `after` is for the next page. Absent: this was the last one. */
        next: Schema.optionalKey(Schema.String)
      }),
      error: [UnknownQueue, QueueAway]
    }),
    HttpApiEndpoint.get("deadLetter", "/queues/:id/dead-letters/:letterId", {
      params: { ...queue, letterId: Schema.String },
      success: QueueLetter,
      error: [UnknownQueue, UnknownJob, QueueAway]
    }),
    HttpApiEndpoint.post("replay", "/queues/:id/dead-letters/replay", {
      params: queue,
      payload: Letters,
      success: Schema.Struct({ queue: Schema.String, replayed: Schema.Int }),
      error: [UnknownQueue, QueueAway]
    }),
    HttpApiEndpoint.post("purge", "/queues/:id/dead-letters/purge", {
      params: queue,
      payload: Letters,
      success: Schema.Struct({ queue: Schema.String, purged: Schema.Int }),
      error: [UnknownQueue, QueueAway]
    }),
    HttpApiEndpoint.get("job", "/queues/:id/jobs/:jobId", {
      params: job,
      success: QueueJob,
      error: [UnknownQueue, UnknownJob, QueueAway]
    }),
    HttpApiEndpoint.delete("cancel", "/queues/:id/jobs/:jobId", {
      params: job,
      success: Schema.Struct({ queue: Schema.String, accepted: Schema.String }).pipe(
        HttpApiSchema.status(202)
      ),
      error: [UnknownQueue, UnknownJob, QueueAway]
    })
  )
  .middleware(Understood)
  .middleware(Guarded)
  .annotateMerge(
    OpenApi.annotations({
      description:
        "The queues of durable jobs that the process fills or works off, as their stores have them."
    })
  ) {}
