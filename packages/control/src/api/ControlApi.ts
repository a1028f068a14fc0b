/**
 * The control API, declared once: the server, the typed client and the OpenAPI document come from it.
 *
 * @since 0.3.0
 */
import { Schema } from "effect"
import { Sse } from "effect/encoding"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { HerdMetrics, ScalingDecision } from "lemmings/HerdStats"
import { TaskPage } from "lemmings/HerdTasks"
import {
  Closed,
  Forbidden,
  TooManyGuesses,
  TooManyReaders,
  Unauthorized,
  UnknownHerd,
  UnknownTask
} from "../model/ControlError.ts"
import { Guarded, Understood } from "./ControlMiddleware.ts"
import { FlowGroup } from "./FlowApi.ts"
import { QueuesGroup } from "./QueueApi.ts"
import { Failure, HerdSnapshot, LoggedEvent } from "../model/ControlModel.ts"
import { Frame } from "../model/FrameModel.ts"
import { Problem } from "../model/Problem.ts"

/** A path parameter: percent-encoded where it has a slash. */
const herd = { id: Schema.String.annotate({ description: "The herd's id, percent-encoded" }) }

/** A call that answers with the herd. */
const shown = { params: herd, success: HerdSnapshot, error: UnknownHerd }

const HerdSize = Schema.Struct({
  num: Schema.Int.annotate({ description: "Workers wanted" }),
  msg: Schema.String
})
const RefusedSize = HerdSize.pipe(HttpApiSchema.status(400))

const Target = Schema.Union([
  Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  Schema.Literal("auto")
]).annotate({ message: `must be an integer from 0 to workers.max, or "auto"` })

const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).annotate({
  message: "must be an integer, at least 0"
})

/**
 * What to change of a herd: all of it, or nothing when any of it is refused.
 *
 * @category models
 * @since 0.3.0
 */
export const HerdChange = Schema.Struct({
  /** Workers wanted; `"auto"` lets the scaling policy choose again. */
  target: Schema.optionalKey(Target),
  bounds: Schema.optionalKey(
    Schema.Struct({ min: count, max: count }).annotate({ message: "must be an object with min and max" })
  ),
  paused: Schema.optionalKey(Schema.Boolean.annotate({ message: "must be true or false" }))
})

/**
 * @category models
 * @since 0.3.0
 */
export type HerdChange = typeof HerdChange.Type

/**
 * Limits of a shutdown, as durations in words (`"30 seconds"`), each by default the layer's. No body: all of them.
 *
 * @category models
 * @since 0.3.0
 */
export const DrainLimits = Schema.Struct({
  drain: Schema.optionalKey(Schema.String),
  interrupt: Schema.optionalKey(Schema.String),
  destroy: Schema.optionalKey(Schema.String)
})
/**
 * @category models
 * @since 0.3.0
 */
export type DrainLimits = typeof DrainLimits.Type

const Accepted = Schema.Struct({ herd: Schema.String, accepted: Schema.String }).pipe(
  HttpApiSchema.status(202)
)
const Ready = Schema.Struct({
  ready: Schema.Boolean,
  herds: Schema.Record(Schema.String, Schema.String),
  /** Where there are queues: whether the store of each can be reached. */
  queues: Schema.optionalKey(Schema.Record(Schema.String, Schema.Literals(["ready", "unavailable"]))),
  /** What is in the way. There while `ready` is false. */
  why: Schema.optionalKey(Schema.Array(Schema.String))
})

/** Query strings say numbers in digits. */
const Digits = Schema.FiniteFromString.check(Schema.isInt()).annotate({ message: "must be an integer" })

const page = {
  status: Schema.optionalKey(
    Schema.Literals(["running", "queued", "delayed"]).annotate({
      message: `must be "running", "queued" or "delayed"`
    })
  ),
  offset: Schema.optionalKey(Digits),
  limit: Schema.optionalKey(Digits)
}

class GofherdGroup extends HttpApiGroup.make("gofherd")
  .add(
    HttpApiEndpoint.get("get", "/herd", { success: HerdSize, error: [UnknownHerd, RefusedSize] }),
    HttpApiEndpoint.patch("set", "/herd", {
      payload: Schema.Struct({ num: Schema.Int.annotate({ message: "must be an integer" }) }),
      success: HerdSize,
      error: [RefusedSize, UnknownHerd, Closed]
    })
  )
  .middleware(Understood)
  .middleware(Guarded)
  .annotateMerge(
    OpenApi.annotations({
      description: "The calls of gofherd, for a process with one herd, or a chosen one."
    })
  ) {}

class HerdsGroup extends HttpApiGroup.make("herds")
  .add(
    HttpApiEndpoint.get("list", "/herds", { success: Schema.Struct({ herds: Schema.Array(HerdSnapshot) }) }),
    HttpApiEndpoint.get("get", "/herds/:id", shown),
    HttpApiEndpoint.patch("change", "/herds/:id", {
      params: herd,
      payload: HerdChange,
      success: HerdSnapshot,
      error: [UnknownHerd, Closed]
    }),
    HttpApiEndpoint.post("drain", "/herds/:id/drain", {
      params: herd,
      payload: [DrainLimits, Schema.Null],
      success: Accepted,
      error: UnknownHerd
    }),
    HttpApiEndpoint.post("pause", "/herds/:id/pause", { ...shown, error: [UnknownHerd, Closed] }),
    HttpApiEndpoint.post("resume", "/herds/:id/resume", shown),
    HttpApiEndpoint.post("clear", "/herds/:id/clear", {
      params: herd,
      success: Schema.Struct({ herd: Schema.String, shed: Schema.Int }),
      error: UnknownHerd
    }),
    HttpApiEndpoint.get("stats", "/herds/:id/stats", shown),
    HttpApiEndpoint.get("metrics", "/herds/:id/metrics.json", {
      params: herd,
      success: HerdMetrics,
      error: UnknownHerd
    }),
    HttpApiEndpoint.get("history", "/herds/:id/history", {
      params: herd,
      success: Schema.Struct({ herd: Schema.String, decisions: Schema.Array(ScalingDecision) }),
      error: UnknownHerd
    }),
    HttpApiEndpoint.get("failures", "/herds/:id/failures", {
      params: herd,
      success: Schema.Struct({ herd: Schema.String, failures: Schema.Array(Failure) }),
      error: UnknownHerd
    }),
    HttpApiEndpoint.get("tasks", "/herds/:id/tasks", {
      params: herd,
      query: page,
      success: TaskPage,
      error: UnknownHerd
    }),
    HttpApiEndpoint.delete("interrupt", "/herds/:id/tasks/:taskId", {
      params: { ...herd, taskId: Schema.String },
      success: Accepted,
      error: [UnknownHerd, UnknownTask]
    }),
    HttpApiEndpoint.get("events", "/herds/:id/events", {
      params: herd,
      headers: { "last-event-id": Schema.optionalKey(Schema.String) },
      success: HttpApiSchema.StreamSse({
        events: Schema.Struct({
          ...Sse.EventEncoded.fields,
          data: Schema.fromJsonString(LoggedEvent)
        })
      }),
      error: [UnknownHerd, TooManyReaders]
    })
  )
  .middleware(Understood)
  .middleware(Guarded) {}

class DashboardGroup extends HttpApiGroup.make("dashboard")
  .add(
    HttpApiEndpoint.get("problems", "/problems", {
      success: Schema.Struct({ at: Schema.Number, problems: Schema.Array(Problem) })
    }),
    HttpApiEndpoint.get("frames", "/frames", {
      query: {
        herd: Schema.optionalKey(
          Schema.String.annotate({ description: "The id of the herd whose details are sent, too" })
        ),
        rate: Schema.optionalKey(
          Schema.FiniteFromString.check(Schema.isBetween({ minimum: 0.1, maximum: 10 })).annotate({
            message: "must be a number from 0.1 to 10, frames a second"
          })
        )
      },
      success: HttpApiSchema.StreamSse({
        events: Schema.Struct({ ...Sse.EventEncoded.fields, data: Schema.fromJsonString(Frame) })
      }),
      error: TooManyReaders
    })
  )
  .middleware(Understood)
  .middleware(Guarded) {}

class HealthGroup extends HttpApiGroup.make("health").add(
  HttpApiEndpoint.get("live", "/health/live", { success: Schema.Struct({ live: Schema.Literal(true) }) }),
  HttpApiEndpoint.get("ready", "/health/ready", {
    success: Ready,
    error: [
      Ready.annotate({ identifier: "NotReady" }).pipe(HttpApiSchema.status(503)),
      Unauthorized,
      Forbidden,
      TooManyGuesses
    ]
  })
) {}

/**
 * The control API.
 *
 * @category api
 * @since 0.3.0
 */
export class ControlApi extends HttpApi.make("lemmings")
  .add(GofherdGroup, HerdsGroup, FlowGroup, QueuesGroup, DashboardGroup, HealthGroup)
  // What nobody reads, somebody has misspelt.
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotateMerge(
    OpenApi.annotations({
      title: "Lemmings control",
      description: "See, change and stop the herds of a process, and look after its queues of jobs."
    })
  ) {}
