/** What the calls of flow control do. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { KeyLimitsOptions, LimitsOptions, RateOptions } from "lemmings/Limits"
import { ControlApi } from "../api/ControlApi.ts"
import type { LimitsChange, LimitsShown } from "../api/FlowApi.ts"
import { UnknownKey, UnknownTask } from "../model/ControlError.ts"
import { ControlSettings } from "../model/Settings.ts"
import { wireKey } from "../frames/Wire.ts"
import { find, invalid } from "./Asked.ts"

/** `null` says that there is no limit, where options say nothing. */
const said = <A>(value: A | null | undefined, before: A | undefined): A | undefined =>
  value === undefined ? before : (value ?? undefined)

// Words of durations are checked by the herd.
const merged = (before: LimitsOptions, change: LimitsChange): LimitsOptions => {
  const { perKey = {} } = change
  const old: KeyLimitsOptions = before.perKey ?? {}
  return {
    weight: said(change.weight, before.weight),
    rate: said(change.rate as LimitsOptions["rate"] | null, before.rate),
    perKey: {
      concurrency: said(perKey.concurrency, old.concurrency),
      ordered: said(perKey.ordered, old.ordered),
      burst: said(perKey.burst, old.burst),
      queue: said(perKey.queue, old.queue),
      share: said(perKey.share, old.share),
      rate: said(perKey.rate as KeyLimitsOptions["rate"] | null, old.rate)
    },
    hold: before.hold
  }
}

const list = (rate: LimitsOptions["rate"]): (typeof LimitsShown.Type)["rate"] =>
  (rate === undefined ? [] : Array.isArray(rate) ? rate : [rate]).map(
    ({ burst, limit, per, window }: RateOptions) => ({
      limit,
      per: per as string | number,
      ...(burst === undefined ? {} : { burst }),
      ...(window === undefined ? {} : { window })
    })
  )

const shown = ({ hold, perKey = {}, rate, weight }: LimitsOptions): typeof LimitsShown.Type => ({
  weight: weight ?? null,
  rate: list(rate),
  perKey: {
    concurrency: typeof perKey.concurrency === "function" ? "by key" : (perKey.concurrency ?? null),
    ordered: perKey.ordered === true,
    burst: perKey.burst === true,
    queue: perKey.queue ?? null,
    share: typeof perKey.share === "function" ? "by key" : (perKey.share ?? 1),
    rate: list(perKey.rate)
  },
  hold: hold !== undefined
})

/** The handlers of the group. */
export const flow = HttpApiBuilder.group(ControlApi, "flow", (handlers) =>
  Effect.gen(function* () {
    const settings = yield* ControlSettings
    return handlers.handleAll({
      keys: ({ params: { id }, query }) =>
        Effect.gen(function* () {
          const herd = yield* find(id)
          const keys = yield* Effect.mapError(herd.keys(query), invalid)
          return { herd: id, keys: keys.map((key) => wireKey(key, settings)) }
        }),
      hold: ({ params: { id, key }, payload: { duration } }) =>
        Effect.gen(function* () {
          const herd = yield* find(id)
          // Words of durations are checked by the herd.
          yield* Effect.mapError(herd.hold(key, duration as number), invalid)
          return { herd: id, key }
        }),
      release: ({ params: { id, key } }) =>
        Effect.gen(function* () {
          const herd = yield* find(id)
          if (yield* herd.release(key)) return { herd: id, key }
          const message = `Key "${key}" of herd "${id}" is not on hold.`
          return yield* Effect.fail(new UnknownKey({ herd: id, key, message }))
        }),
      explain: ({ params: { id, taskId } }) =>
        Effect.gen(function* () {
          const herd = yield* find(id)
          const why = yield* herd.explain(taskId)
          if (why === undefined) {
            const message = `No task "${taskId}" is waiting or running in herd "${id}": it has ended, or never was.`
            return yield* Effect.fail(new UnknownTask({ herd: id, task: taskId, message }))
          }
          const { key, ...rest } = wireKey(why, settings)
          // The sentence names the key as it is.
          const sentence =
            key === why.key ? why.sentence : why.sentence.replaceAll(JSON.stringify(why.key), `"…"`)
          return { ...rest, sentence, ...(key === undefined ? {} : { key }) }
        }),
      limits: ({ params: { id } }) =>
        Effect.gen(function* () {
          const limits = yield* (yield* find(id)).limits
          return limits === undefined ? null : shown(limits)
        }),
      setLimits: ({ params: { id }, payload }) =>
        Effect.gen(function* () {
          const herd = yield* find(id)
          const after = merged((yield* herd.limits) ?? {}, payload)
          yield* Effect.mapError(herd.setLimits(after), invalid)
          return shown((yield* herd.limits) ?? after)
        })
    })
  })
)
