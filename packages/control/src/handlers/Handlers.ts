/** What the calls of the control API do. */
import { Effect, Layer, SchemaIssue, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, type HttpApiError, HttpApiMiddleware } from "effect/http-api"
import * as Fibers from "lemmings/internal/Fibers"
import { HerdClosed, InvalidConfig } from "lemmings/HerdError"
import { HerdRegistry, type ManagedHerd, type StopOptions } from "lemmings/HerdRegistry"
import { QueueRegistry } from "lemmings/QueueRegistry"
import { Streams } from "./Streams.ts"
import { ControlApi, type DrainLimits, type HerdChange } from "../api/ControlApi.ts"
import { Guarded, Understood } from "../api/ControlMiddleware.ts"
import { BadRequest, Closed, UnknownTask } from "../model/ControlError.ts"
import * as EventLog from "../frames/EventLog.ts"
import * as Frames from "../frames/Frames.ts"
import * as Sights from "../frames/Sights.ts"
import type { QueueLook } from "../conditions/Condition.ts"
import { unready } from "../conditions/Watch.ts"
import { find, invalid } from "./Asked.ts"
import { flow } from "./FlowHandlers.ts"
import { queues } from "./QueueHandlers.ts"
import { ControlSettings } from "../model/Settings.ts"
import { wireFailure, wireStats, wireTask } from "../frames/Wire.ts"

/** The herd's own words are those of its options: of a call, they are bounds. */
const asAsked = (error: InvalidConfig): InvalidConfig => {
  const words = (text: string) => text.replaceAll(/\bworkers\.(min|max)\b/g, "bounds.$1")
  return new InvalidConfig({ field: words(error.field), value: error.value, rule: words(error.rule) })
}

const issues = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "given"
    if (issue._tag === "UnexpectedKey") return "left away: this call knows nothing of the name"
    return SchemaIssue.defaultLeafHook(issue)
  }
})

/** Says which part of a request could not be understood. */
const misunderstood = (error: HttpApiError.HttpApiSchemaError): BadRequest => {
  const [first] = issues(error.cause.issue).issues
  const path = (first?.path ?? []).map((key) => String(typeof key === "object" ? key.key : key))
  const field = path.length === 0 ? "body" : path.join(".")
  const rule = (first?.message ?? "as the API describes").replace(/^must be |^Expected /, "")
  return new BadRequest({ field, rule, message: `${field} must be ${rule}. Nothing was changed.` })
}

const closed = ({ herd, state }: HerdClosed): Closed =>
  new Closed({ herd, state, message: `Herd "${herd}" is ${state}: it takes no more orders.` })

/** A call that needs no more than its herd. */
const withHerd =
  <A, E>(f: (herd: ManagedHerd, id: string) => Effect.Effect<A, E>) =>
  ({ params: { id } }: { readonly params: { readonly id: string } }) =>
    Effect.flatMap(find(id), (herd) => f(herd, id))

/** The herd that `/herd` means: the one that was chosen, or the only one. */
const chosen = Effect.fnUntraced(function* (herd: string | undefined) {
  if (herd !== undefined) return yield* find(herd)
  const { herds } = yield* HerdRegistry
  const [only, ...others] = herds().values()
  if (only === undefined) return yield* find("")
  if (others.length === 0) return only
  const ids = [...herds().keys()].join(", ")
  const msg = `There are several herds: use /herds/:id, or set the herd option to one of ${ids}`
  return yield* Effect.fail({ num: herds().size, msg })
})

const gofherd = HttpApiBuilder.group(ControlApi, "gofherd", (handlers) =>
  Effect.gen(function* () {
    const { herd: which } = yield* ControlSettings
    return handlers.handleAll({
      get: () =>
        Effect.gen(function* () {
          const herd = yield* chosen(which)
          return { num: yield* herd.target, msg: "success" }
        }),
      set: ({ payload: { num } }) =>
        Effect.gen(function* () {
          const herd = yield* chosen(which)
          const before = yield* herd.target
          if (num < 0) return yield* Effect.fail({ num: before, msg: "Herd size cannot be negative" })
          if (num === before) return { num, msg: `Herd size already ${num}` }
          yield* Effect.catchTags(herd.resize(num), {
            InvalidConfig: ({ rule }) => Effect.fail({ num: before, msg: `num must be ${rule}` }),
            HerdClosed: (error) => Effect.fail(closed(error))
          })
          return { num, msg: "success" }
        })
    })
  })
)

const refused = (error: InvalidConfig | HerdClosed): BadRequest | Closed =>
  error._tag === "InvalidConfig" ? invalid(error) : closed(error)

/** A herd on its way out dispatches everything that it has. */
const pausable = (herd: ManagedHerd): Effect.Effect<void, HerdClosed> =>
  Effect.flatMap(herd.stats, ({ state }) =>
    state === "running" ? Effect.void : Effect.fail(new HerdClosed({ herd: herd.id, state }))
  )

/** Everything is checked before anything is changed. */
const change = (herd: ManagedHerd, given: HerdChange, maxWorkers: number) =>
  Effect.gen(function* () {
    const { bounds, paused, target } = given
    if (bounds === undefined && paused === undefined && target === undefined) {
      const rule = "an object with at least one of target, bounds and paused"
      return yield* Effect.fail(new InvalidConfig({ field: "body", value: given, rule }))
    }
    const now = (yield* herd.stats).workers.max
    const most = Math.max(now, maxWorkers)
    if (bounds !== undefined && bounds.max > most) {
      const rule = `an integer from 0 to ${most}; the maxWorkers option allows more`
      return yield* Effect.fail(new InvalidConfig({ field: "bounds.max", value: bounds.max, rule }))
    }
    const max = bounds?.max ?? now
    if (typeof target === "number" && target > max) {
      const rule = `an integer from 0 to workers.max (${max}), or "auto"; raise workers.max with bounds`
      return yield* Effect.fail(new InvalidConfig({ field: "target", value: target, rule }))
    }
    if (paused === true) yield* pausable(herd)
    if (bounds !== undefined)
      yield* Effect.mapError(herd.setBounds(bounds), (error) =>
        error._tag === "InvalidConfig" ? asAsked(error) : error
      )
    if (target !== undefined) yield* herd.resize(target)
    if (paused !== undefined) yield* paused ? herd.pause : herd.resume
  })

/** Begins to drain. The answer does not wait for the end, and the shutdown does not end with the answer. */
const drain = (herd: ManagedHerd, limits: DrainLimits | null) =>
  Effect.gen(function* () {
    // The herd itself says what is no duration, before it begins.
    const given = (limits ?? {}) as StopOptions
    const fiber = yield* Effect.forkDetach(herd.stop(given), { startImmediately: true })
    const exit = Fibers.exitOf(fiber)
    if (exit !== undefined) yield* exit
  })

const herds = HttpApiBuilder.group(ControlApi, "herds", (handlers) =>
  Effect.gen(function* () {
    const settings = yield* ControlSettings
    const logs = yield* EventLog.makeAll(settings)
    const streams = yield* Streams
    const snapshot = (herd: ManagedHerd, id: string) =>
      Effect.map(herd.stats, (stats) => wireStats(id, stats, settings))

    return handlers
      .handleAll({
        list: () =>
          Effect.gen(function* () {
            const registry = yield* HerdRegistry
            const all = yield* Effect.forEach(registry.herds(), ([id, herd]) => snapshot(herd, id))
            return { herds: all }
          }),
        get: withHerd(snapshot),
        stats: withHerd(snapshot),
        change: ({ params: { id }, payload }) =>
          Effect.gen(function* () {
            const herd = yield* find(id)
            yield* Effect.mapError(change(herd, payload, settings.maxWorkers), refused)
            return yield* snapshot(herd, id)
          }),
        drain: ({ params: { id }, payload }) =>
          Effect.gen(function* () {
            const herd = yield* find(id)
            yield* Effect.mapError(drain(herd, payload), invalid)
            return { herd: id, accepted: "drain" }
          }),
        pause: withHerd((herd, id) =>
          Effect.mapError(pausable(herd), closed).pipe(
            Effect.andThen(herd.pause),
            Effect.andThen(snapshot(herd, id))
          )
        ),
        resume: withHerd((herd, id) => Effect.andThen(herd.resume, snapshot(herd, id))),
        clear: withHerd((herd, id) => Effect.map(herd.clear, (shed) => ({ herd: id, shed }))),
        metrics: withHerd((herd, id) => Effect.map(herd.metrics, (metrics) => ({ ...metrics, herd: id }))),
        history: withHerd((herd, id) => Effect.map(herd.history, (decisions) => ({ herd: id, decisions }))),
        failures: withHerd((herd, id) =>
          Effect.map(herd.failures, (failures) => ({
            herd: id,
            failures: failures.map((failure) => wireFailure(failure, settings))
          }))
        ),
        tasks: ({ params: { id }, query }) =>
          Effect.gen(function* () {
            const herd = yield* find(id)
            const page = yield* Effect.mapError(herd.tasks(query), invalid)
            return { ...page, tasks: page.tasks.map((task) => wireTask(task, settings)) }
          }),
        interrupt: ({ params: { id, taskId } }) =>
          Effect.gen(function* () {
            const herd = yield* find(id)
            if (yield* herd.interruptTask(taskId)) return { herd: id, accepted: "interrupt" }
            const message = `No task "${taskId}" is waiting or running in herd "${id}": it has ended, or never was.`
            return yield* Effect.fail(new UnknownTask({ herd: id, task: taskId, message }))
          })
      })
      .handleRaw("events", ({ headers, params: { id } }) =>
        Effect.flatMap(find(id), (herd) =>
          streams.open(
            Stream.unwrap(
              Effect.map(logs.get(id, herd), (log) =>
                EventLog.read(log, id, settings, headers["last-event-id"])
              )
            )
          )
        )
      )
  })
)

const dashboard = HttpApiBuilder.group(ControlApi, "dashboard", (handlers) =>
  Effect.gen(function* () {
    const settings = yield* ControlSettings
    const sights = yield* Sights.make(settings)
    const frames = yield* Frames.make(settings, sights)
    const streams = yield* Streams
    return handlers
      .handle("problems", () => Effect.map(sights.current, ({ at, problems }) => ({ at, problems })))
      .handleRaw("frames", ({ query: { herd, rate = 4 } }) => streams.open(frames.read(rate, herd)))
  })
)

const health = HttpApiBuilder.group(ControlApi, "health", (handlers) =>
  handlers.handleAll({
    live: () => Effect.succeed({ live: true as const }),
    ready: () =>
      Effect.gen(function* () {
        const registry = yield* HerdRegistry
        const herds: Array<{ readonly id: string; readonly state: string }> = []
        for (const [id, herd] of registry.herds()) herds.push({ id, state: (yield* herd.stats).state })
        const stores: Array<{ readonly id: string; readonly queue: QueueLook["queue"] }> = []
        for (const [id, queue] of (yield* QueueRegistry).queues()) {
          const { ready, since } = yield* queue.readiness
          stores.push({ id, queue: { store: queue.store, ready, since, stats: null } })
        }
        const why = unready(registry.stopping(), herds, stores)
        const states = stores.map(
          ({ id, queue }) => [id, queue.ready ? ("ready" as const) : ("unavailable" as const)] as const
        )
        const answer = {
          ready: why.length === 0,
          herds: Object.fromEntries(herds.map(({ id, state }) => [id, state])),
          ...(states.length === 0 ? {} : { queues: Object.fromEntries(states) }),
          ...(why.length === 0 ? {} : { why })
        }
        return yield* why.length === 0 ? Effect.succeed(answer) : Effect.fail(answer)
      })
  })
)

/** The doorkeeper has checked before. */
const checkedBefore = Layer.succeed(Guarded, { token: (handler) => handler })

const understood = Layer.unwrap(
  Effect.map(ControlSettings, (settings) =>
    HttpApiMiddleware.layerSchemaErrorTransform(Understood, (error, { group }) => {
      const wrong = misunderstood(error)
      if (group.identifier !== "gofherd") return Effect.fail(wrong)
      // The calls of gofherd say everything in two fields.
      const target = Effect.flatMap(chosen(settings.herd), (herd) => herd.target)
      return Effect.map(
        Effect.orElseSucceed(target, () => 0),
        (num) => HttpServerResponse.jsonUnsafe({ num, msg: wrong.message }, { status: 400 })
      )
    })
  )
)

/** The handlers of all groups. */
export const layer = Layer.mergeAll(gofherd, herds, flow, queues, dashboard, health).pipe(
  Layer.provideMerge([checkedBefore, understood]),
  Layer.provide(Streams.layer)
)
