/**
 * Everything a herd says about itself while it works, as one union.
 *
 * An event is built only while somebody listens, and told when the step that it
 * happened in has ended. A reader that falls behind loses the oldest events, and
 * never slows the herd.
 *
 * @since 0.1.0
 */
import { Cause, Clock, Context, Effect, Layer, Queue, Schema, Stream } from "effect"
import * as AsyncContext from "../internal/AsyncContext.ts"
import * as Fibers from "../internal/Fibers.ts"
import { titled } from "../internal/Line.ts"
import { Outbox } from "../internal/Outbox.ts"
import { HerdState, ShedReason } from "./HerdError.ts"
import { RecycleReason, ScalingDecision } from "./HerdStats.ts"

/** Fields of every event: the herd's id, and epoch milliseconds. */
const base = { herd: Schema.String, at: Schema.Number }
const task = {
  ...base,
  taskId: Schema.String,
  label: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String),
  priority: Schema.Int
}
const attempt = { ...task, attempt: Schema.Int, workerId: Schema.Int }
const worker = { ...base, workerId: Schema.Int, burst: Schema.Boolean }

/**
 * What happened in a herd. Times are milliseconds, counts are whole numbers.
 *
 * @category models
 * @since 0.1.0
 */
export const HerdEvent = Schema.Union([
  Schema.TaggedStruct("TaskAccepted", task),
  Schema.TaggedStruct("TaskStarted", { ...attempt, waitMillis: Schema.Number }),
  Schema.TaggedStruct("TaskFinished", {
    ...attempt,
    outcome: Schema.Literals(["succeeded", "failed", "interrupted"]),
    runMillis: Schema.Number
  }),
  /** An attempt failed and another will follow, `delayMillis` from now. */
  Schema.TaggedStruct("TaskRetried", { ...attempt, delayMillis: Schema.Number }),
  /** An attempt found its worker unhealthy; the task is back in the queue. */
  Schema.TaggedStruct("TaskRequeued", attempt),
  Schema.TaggedStruct("TaskShed", { ...task, reason: Schema.Literals([...ShedReason.literals, "closed"]) }),
  /** A submission was refused. Nothing was accepted. */
  Schema.TaggedStruct("TaskRejected", {
    ...base,
    reason: Schema.Literals(["full", "closed", "keyFull", "overloaded", "limited"])
  }),
  /** A failure said that its key has to wait. The attempt is not counted, and the task keeps its place. */
  Schema.TaggedStruct("TaskHeld", { ...attempt, holdMillis: Schema.Number }),
  /** A caller put a key on hold, or ended its hold. */
  Schema.TaggedStruct("KeyHeld", { ...base, key: Schema.String, holdMillis: Schema.Number }),
  Schema.TaggedStruct("KeyReleased", { ...base, key: Schema.String }),
  /** The retry budget had none left: the task ended with its own error. */
  Schema.TaggedStruct("RetryRefused", { ...task, attempt: Schema.Int }),
  Schema.TaggedStruct("WorkerStarted", worker),
  Schema.TaggedStruct("WorkerReplaced", worker),
  Schema.TaggedStruct("WorkerStopped", worker),
  /** One call of `onCreate` failed; it will be tried again. */
  Schema.TaggedStruct("ResourceCreateFailed", { ...worker, error: Schema.Defect() }),
  /** `onDestroy` failed, or did not end in time (`leaked`). */
  Schema.TaggedStruct("ResourceDestroyFailed", { ...worker, leaked: Schema.Boolean, error: Schema.Defect() }),
  /** A hook, a predicate, a subscriber or a background fiber failed: no task. `where` names it. The herd goes on. */
  Schema.TaggedStruct("PartFailed", { ...base, where: Schema.String, error: Schema.Defect() }),
  /** A resource goes and another comes, or none. */
  Schema.TaggedStruct("ResourceRecycled", { ...worker, reason: RecycleReason }),
  /** A task holds its worker for longer than `leakAfter`. */
  Schema.TaggedStruct("LeakSuspected", {
    ...attempt,
    heldMillis: Schema.Number,
    /** The span that the task was submitted in. */
    span: Schema.optionalKey(
      Schema.Struct({
        traceId: Schema.String,
        spanId: Schema.String,
        name: Schema.optionalKey(Schema.String)
      })
    ),
    /** Where the task was submitted, as far as it is known. */
    stack: Schema.String
  }),
  Schema.TaggedStruct("Resized", { ...base, ...ScalingDecision.fields }),
  Schema.TaggedStruct("Paused", base),
  Schema.TaggedStruct("Resumed", base),
  Schema.TaggedStruct("StateChanged", { ...base, state: HerdState })
])

/**
 * @category models
 * @since 0.1.0
 */
export type HerdEvent = typeof HerdEvent.Type

/**
 * Whose tasks they are: a herd's, or a resource pool's, whose tasks are borrowers.
 *
 * @category models
 * @since 0.5.0
 */
export type HerdKind = "herd" | "pool"

type WithoutBase<T> = T extends unknown ? Omit<T, "herd" | "at"> : never

/**
 * Carries events from the parts of one herd to whoever listens.
 *
 * @category services
 * @since 0.1.0
 */
export class HerdEvents extends Context.Service<
  HerdEvents,
  {
    /** What the log calls it. */
    readonly kind: HerdKind
    /** Whether anybody listens. When not, do not build the event. */
    readonly active: () => boolean
    readonly emit: (event: WithoutBase<HerdEvent>) => void
    /** Keeps the event until the next one is emitted, or `flush`: for a step that is not over. */
    readonly keep: (event: WithoutBase<HerdEvent>) => void
    readonly flush: () => void
    /** Begins a step of the herd: what happens in it is told after as many calls of `release`. */
    readonly hold: () => void
    readonly release: () => void
    /** Whether a step goes on. */
    readonly holding: () => boolean
    /** Calls what runs code of the user once the step has ended, after the events before it. It must not throw. */
    readonly after: (f: () => void) => void
    /** Emits `PartFailed`, and logs it as a warning whether or not anybody listens. */
    readonly report: (where: string, cause: Cause.Cause<unknown>) => void
    /**
     * Calls the listener for every event from now on, in order, when the step that it happened in has ended: all is
     * counted, and the listener may do what it wants with the herd. Of very many events in one step the last ones come
     * in later turns. It must be quick; none is lost. One that throws is not called again. Returns how to stop.
     */
    readonly listen: (listener: (event: HerdEvent) => void) => () => void
    /** Every event from now on. A reader more than 1,024 events behind loses the oldest. Ends with the herd. */
    readonly stream: Stream.Stream<HerdEvent>
  }
>()("lemmings/HerdEvents") {
  /** Events of the herd with this id. `kind` defaults to `"herd"`. */
  static readonly layer = (herd: string, kind: HerdKind = "herd"): Layer.Layer<HerdEvents> =>
    Layer.effect(
      HerdEvents,
      Effect.gen(function* () {
        // Each with the async context that it came from.
        const listeners = new Map<(event: HerdEvent) => void, AsyncContext.AsyncContext>()
        const own = AsyncContext.here()
        const readers = new Set<Queue.Queue<HerdEvent, Cause.Done>>()
        const context = yield* Fibers.lasting
        const clock = yield* Clock.Clock
        let closed = false
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            outbox.flush(Infinity)
            closed = true
            for (const reader of readers) Queue.endUnsafe(reader)
          })
        )
        const tell = (event: HerdEvent) => {
          for (const [listener, from] of listeners) {
            try {
              AsyncContext.run(from, listener, event)
            } catch (defect) {
              listeners.delete(listener)
              report("a listener of events", Cause.die(defect))
            }
          }
        }
        const later = (f: () => void) =>
          void Fibers.start(context, Effect.andThen(Effect.yieldNow, Effect.sync(f)))
        const outbox = new Outbox(tell, later)
        const full = (event: WithoutBase<HerdEvent>) =>
          ({ ...event, herd, at: clock.currentTimeMillisUnsafe() }) as HerdEvent
        const emit = (event: WithoutBase<HerdEvent>) => {
          if (listeners.size > 0) outbox.add(full(event))
        }
        const report = (where: string, cause: Cause.Cause<unknown>) => {
          emit({ _tag: "PartFailed", where, error: cause })
          const warn = Effect.logWarning(`${titled(kind, herd)}: ${where} failed`, cause)
          outbox.after(() => AsyncContext.run(own, () => void Fibers.start(context, warn)))
        }
        const listen = (listener: (event: HerdEvent) => void) => {
          listeners.set(listener, AsyncContext.here())
          return () => listeners.delete(listener)
        }
        /** A queue that hears everything until it is given up, or the herd ends. */
        const reading = Effect.gen(function* () {
          const reader = yield* Queue.sliding<HerdEvent, Cause.Done>(1024)
          if (closed) Queue.endUnsafe(reader)
          readers.add(reader)
          const stop = listen((event) => Queue.offerUnsafe(reader, event))
          return { reader, stop }
        })
        const unread = ({ reader, stop }: Effect.Success<typeof reading>) =>
          Effect.sync(() => {
            readers.delete(reader)
            stop()
          })
        return HerdEvents.of({
          kind,
          active: () => listeners.size > 0,
          emit,
          keep: (event) => {
            if (listeners.size > 0) outbox.keep(full(event))
          },
          flush: () => outbox.flush(),
          hold: () => outbox.hold(),
          release: () => outbox.release(),
          holding: () => outbox.holding,
          after: (f) => outbox.after(f),
          report,
          listen,
          stream: Stream.unwrap(
            Effect.map(Effect.acquireRelease(reading, unread), ({ reader }) => Stream.fromQueue(reader))
          )
        })
      })
    )
}
