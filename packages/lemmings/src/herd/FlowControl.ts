/**
 * What callers change and ask of flow control while a herd runs: keys on hold, limits, and why a task waits.
 */
import { type Duration, Effect } from "effect"
import * as Durations from "../model/Durations.ts"
import { checkInteger } from "../model/HerdConfig.ts"
import { InvalidConfig } from "../model/HerdError.ts"
import type { KeyUse } from "../model/HerdFlow.ts"
import * as Limits from "../model/Limits.ts"
import type { HerdEvents } from "../model/HerdEvent.ts"
import type { Place } from "../task/TaskRuntime.ts"

const farthest = 1_000

/** A herd that was made without flow control has nothing to change. */
const absent = (field: string, value: unknown) =>
  Effect.fail(
    new InvalidConfig({
      field,
      value,
      rule: `asked of a herd with limits, overload or queue.order "fair"; limits: {} is enough`
    })
  )

export const make = (rt: Place & { readonly events: HerdEvents["Service"] }) => {
  const { flow } = rt.line
  return {
    keys: (
      options: { readonly top?: number | undefined } = {}
    ): Effect.Effect<ReadonlyArray<KeyUse>, InvalidConfig> =>
      Effect.map(checkInteger("top", options.top ?? 20, 1, farthest), (top) =>
        flow === undefined ? [] : flow.keys(top, rt.timers.now())
      ),
    hold: (key: string, duration: Duration.Input): Effect.Effect<void, InvalidConfig> =>
      Effect.flatMap(Durations.decode("duration", duration), (millis) => {
        if (flow === undefined) return absent("key", key)
        return Effect.sync(() => {
          flow.hold(key, millis, rt.timers.now())
          rt.events.emit({ _tag: "KeyHeld", key, holdMillis: millis })
          rt.pool.pump()
        })
      }),
    release: (key: string): Effect.Effect<boolean> =>
      Effect.sync(() => {
        if (flow === undefined || !flow.release(key, rt.timers.now())) return false
        rt.events.emit({ _tag: "KeyReleased", key })
        rt.pool.pump()
        return true
      }),
    limits: Effect.sync(() => flow && Limits.toOptions(flow.limits())),
    setLimits: (options: Limits.LimitsOptions): Effect.Effect<void, InvalidConfig> =>
      Effect.flatMap(Limits.decodeNow(options), (limits) => {
        if (flow === undefined) return absent("limits", options)
        return Effect.sync(() => {
          flow.setLimits(limits, rt.timers.now())
          rt.pool.pump()
        })
      })
  }
}
