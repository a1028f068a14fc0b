/**
 * The part of the control API that looks after flow control: keys, holds, limits, and why a task does not run.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { KeyUse, TaskExplanation } from "lemmings/HerdFlow"
import { UnknownHerd, UnknownKey, UnknownTask } from "../model/ControlError.ts"
import { Guarded, Understood } from "./ControlMiddleware.ts"

/** A path parameter: percent-encoded where it has a slash. */
const herd = { id: Schema.String.annotate({ description: "The herd's id, percent-encoded" }) }
const key = { ...herd, key: Schema.String.annotate({ description: "The key, percent-encoded" }) }

const number = Schema.NullOr(Schema.Finite).annotate({ message: "must be a number, or null for no limit" })
const flag = Schema.Boolean.annotate({ message: "must be true or false" })

const Rate = Schema.Struct({
  limit: Schema.Finite.annotate({ message: "must be a number, at least 0" }),
  per: Schema.Union([Schema.String, Schema.Finite]).annotate({
    message: `must be a duration such as "1 second", or milliseconds`
  }),
  burst: Schema.optionalKey(Schema.Finite),
  window: Schema.optionalKey(Schema.Literals(["gcra", "sliding"]))
})
const rate = Schema.NullOr(Schema.Union([Rate, Schema.Array(Rate)])).annotate({
  message: "must be a rate, a list of rates, or null for no limit"
})

/**
 * What to change of the limits of a herd. What is left away stays, `null` is no limit. A limit that is a function of the key
 * stays unless it is replaced.
 */
export const LimitsChange = Schema.Struct({
  weight: Schema.optionalKey(number),
  rate: Schema.optionalKey(rate),
  perKey: Schema.optionalKey(
    Schema.Struct({
      concurrency: Schema.optionalKey(number),
      ordered: Schema.optionalKey(flag),
      burst: Schema.optionalKey(flag),
      queue: Schema.optionalKey(number),
      share: Schema.optionalKey(Schema.Finite),
      rate: Schema.optionalKey(rate)
    })
  )
})

export type LimitsChange = typeof LimitsChange.Type

/** The limits of a herd as data. `null`: no limit. `"by key"`: a function of the key. */
export const LimitsShown = Schema.Struct({
  weight: Schema.NullOr(Schema.Finite),
  rate: Schema.Array(Rate),
  perKey: Schema.Struct({
    concurrency: Schema.NullOr(Schema.Union([Schema.Finite, Schema.Literal("by key")])),
    ordered: Schema.Boolean,
    burst: Schema.Boolean,
    queue: Schema.NullOr(Schema.Finite),
    share: Schema.Union([Schema.Finite, Schema.Literal("by key")]),
    rate: Schema.Array(Rate)
  }),
  hold: Schema.Boolean
})

/** The calls. */
export class FlowGroup extends HttpApiGroup.make("flow")
  .add(
    HttpApiEndpoint.get("keys", "/herds/:id/keys", {
      params: herd,
      query: {
        top: Schema.optionalKey(
          Schema.FiniteFromString.check(Schema.isInt()).annotate({ message: "must be an integer" })
        )
      },
      success: Schema.Struct({ herd: Schema.String, keys: Schema.Array(KeyUse) }),
      error: UnknownHerd
    }),
    HttpApiEndpoint.put("hold", "/herds/:id/keys/:key/hold", {
      params: key,
      payload: Schema.Struct({
        duration: Schema.Union([Schema.String, Schema.Finite]).annotate({
          message: `must be a duration such as "30 seconds", or milliseconds`
        })
      }),
      success: Schema.Struct({ herd: Schema.String, key: Schema.String }),
      error: UnknownHerd
    }),
    HttpApiEndpoint.delete("release", "/herds/:id/keys/:key/hold", {
      params: key,
      success: Schema.Struct({ herd: Schema.String, key: Schema.String }),
      error: [UnknownHerd, UnknownKey]
    }),
    HttpApiEndpoint.get("explain", "/herds/:id/tasks/:taskId/explain", {
      params: { ...herd, taskId: Schema.String },
      success: TaskExplanation,
      error: [UnknownHerd, UnknownTask]
    }),
    HttpApiEndpoint.get("limits", "/herds/:id/limits", {
      params: herd,
      success: Schema.NullOr(LimitsShown).pipe(HttpApiSchema.status(200)),
      error: UnknownHerd
    }),
    HttpApiEndpoint.patch("setLimits", "/herds/:id/limits", {
      params: herd,
      payload: LimitsChange,
      success: LimitsShown,
      error: UnknownHerd
    })
  )
  .middleware(Understood)
  .middleware(Guarded)
  .annotateMerge(
    OpenApi.annotations({ description: "Keys with their holds and limits, and why a task does not run." })
  ) {}
