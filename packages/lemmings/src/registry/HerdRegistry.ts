/**
 * The herds of a process, for whoever looks after them: a control API, a dashboard, a signal handler.
 *
 * Every herd and resource pool registers itself while its layer is there. Nobody has to name them.
 *
 * @since 0.3.0
 */
import { Context, type Duration, type Effect, Layer, type Scope, type Stream } from "effect"
import type { Bounds } from "../model/HerdConfig.ts"
import type { HerdClosed, InvalidConfig } from "../model/HerdError.ts"
import type { KeyUse, TaskExplanation } from "../model/HerdFlow.ts"
import type { LimitsOptions } from "../model/Limits.ts"
import type { HerdEvent, HerdKind } from "../model/HerdEvent.ts"
import type { HerdMetrics, HerdStats, ScalingDecision, ShutdownReport } from "../model/HerdStats.ts"
import * as Named from "../internal/Named.ts"
import type { QueueLevels, TaskFailure, TaskPage, TaskPageOptions } from "../model/HerdTasks.ts"

/**
 * Time limits of `stop`. Each defaults to the layer's.
 *
 * @category models
 * @since 0.1.0
 */
export interface StopOptions {
  readonly drain?: Duration.Input | undefined
  readonly interrupt?: Duration.Input | undefined
  readonly destroy?: Duration.Input | undefined
}

/**
 * What can be seen of a running herd and done to it, whatever its tasks are.
 *
 * @category models
 * @since 0.3.0
 */
export interface ManagedHerd {
  readonly id: string
  /** `"pool"`: a resource pool. Its workers are resources, and its tasks are borrowers. */
  readonly kind: HerdKind
  /**
   * Sets the number of workers, from 0 to `workers.max`, and keeps the scaling policy from changing it until
   * `resize("auto")` or `setBounds`. 0 stops dispatch. Returns at once; a busy worker leaves after its task. Fails with
   * `HerdClosed` once the herd is interrupting.
   */
  readonly resize: (workers: number | "auto") => Effect.Effect<void, InvalidConfig | HerdClosed>
  /**
   * Sets floor and ceiling, brings the number of workers between them, and lets the policy choose there. Both at once,
   * or nothing changes.
   */
  readonly setBounds: (bounds: Bounds) => Effect.Effect<void, InvalidConfig | HerdClosed>
  /** Workers wanted now, as `stats.workers.target`: what `resize` or the policy asked for last. How many there are is `stats.workers.size`. */
  readonly target: Effect.Effect<number>
  /** Stops dispatch. Running tasks go on, new ones are accepted and wait. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /** Waits until nothing is queued, delayed, or running. Returns at once when that is so. */
  readonly awaitIdle: Effect.Effect<void>
  /** Waits until nothing is queued. Returns at once when that is so. */
  readonly awaitEmpty: Effect.Effect<void>
  /** Sheds every queued task, and returns how many. Delayed, running and not yet accepted tasks stay. */
  readonly clear: Effect.Effect<number>
  /**
   * Refuses new tasks, lets accepted ones go on until `drain` is over, interrupts the rest, destroys the resources.
   * Asking again joins the shutdown that has begun. Closing the layer's scope is `stop` with the layer's limits.
   */
  readonly stop: (options?: StopOptions) => Effect.Effect<ShutdownReport, InvalidConfig>
  /** Interrupts at once, also in the middle of a `stop`. */
  readonly kill: Effect.Effect<ShutdownReport>
  /**
   * Replaces the resource of every worker, such as after a change of credentials: idle ones now, those in use
   * when their task has ended. Returns how many.
   */
  readonly evictAll: () => Effect.Effect<number>
  /** The last 100 changes of the number of workers, oldest first, each with its reason and what the policy was shown. */
  readonly history: Effect.Effect<ReadonlyArray<ScalingDecision>>
  readonly stats: Effect.Effect<HerdStats>
  readonly metrics: Effect.Effect<HerdMetrics>
  /** How many tasks wait at each priority. With more than 10,000, estimated from a sample, so that looking costs little. */
  readonly levels: Effect.Effect<QueueLevels>
  /** Tasks that have not ended, a page at a time. Fails with `InvalidConfig` where the page is out of range. */
  readonly tasks: (options?: TaskPageOptions) => Effect.Effect<TaskPage, InvalidConfig>
  /** The last 50 failures, oldest first, those included that were tried again. */
  readonly failures: Effect.Effect<ReadonlyArray<TaskFailure>>
  /**
   * The keys with the most tasks, running ones included, at most `top` (default 20, at most 1,000). Empty without flow
   * control. Costs O(keys).
   */
  readonly keys: (options?: {
    readonly top?: number | undefined
  }) => Effect.Effect<ReadonlyArray<KeyUse>, InvalidConfig>
  /**
   * Starts no task of the key for so long, at most an hour, up to a tenth longer, and then first one that tries whether it
   * works. A hold that ends later stays. Fails with `InvalidConfig` where the herd has no flow control.
   */
  readonly hold: (key: string, duration: Duration.Input) => Effect.Effect<void, InvalidConfig>
  /** Ends the hold of a key. Returns whether there was one. */
  readonly release: (key: string) => Effect.Effect<boolean>
  /** The limits as they are now. `undefined` where the herd has no flow control. */
  readonly limits: Effect.Effect<LimitsOptions | undefined>
  /**
   * Changes the limits, all of them: what is not said has no limit. Waiting tasks are asked again at once, running ones
   * go on, and rates keep what has started, as far as the new rate can owe it.
   */
  readonly setLimits: (limits: LimitsOptions) => Effect.Effect<void, InvalidConfig>
  /** Why a task does not run: what blocks it, and when that opens. `undefined` when no task with this id has not ended. */
  readonly explain: (id: string) => Effect.Effect<TaskExplanation | undefined>
  /**
   * Takes a waiting task out or interrupts a running one, like its handle. Returns at once; `false` when no task with
   * this id is there, or it has ended.
   */
  readonly interruptTask: (id: string) => Effect.Effect<boolean>
  /**
   * Calls the listener for everything that happens until the scope closes, in order, when the step that it happened in
   * has ended: all is counted, and the listener may interrupt, submit, resize or stop. Of thousands of events in one step
   * the last ones come in later turns of the event loop. It must be quick; nothing is lost. One that throws is not called
   * again.
   */
  readonly listen: (listener: (event: HerdEvent) => void) => Effect.Effect<void, never, Scope.Scope>
  /** Everything that happens from now on. A slow reader loses the oldest events. Ends when the herd's scope closes. */
  readonly events: Stream.Stream<HerdEvent>
}

/**
 * The herds of a process, and whether it is about to end.
 *
 * @category models
 * @since 0.3.0
 */
export interface HerdRegistry {
  /** By name: the herd's id, or with a number (`app/Db#2`) where the id was taken. In the order in which they came. */
  readonly herds: () => ReadonlyMap<string, ManagedHerd>
  /** Adds a herd, and returns how to take it out again. Herds call this themselves. */
  readonly add: (herd: ManagedHerd) => () => void
  /** Whether the process has been told to stop: it is ready for no more work. */
  readonly stopping: () => boolean
  /** Says that the process has been told to stop. The herds go on. */
  readonly stop: () => void
}

/**
 * Creates a registry without herds.
 *
 * @category constructors
 * @since 0.3.0
 */
export const make = (): HerdRegistry => {
  const { add, all: herds } = Named.make<ManagedHerd>()
  let stopping = false
  return {
    herds,
    add,
    stopping: () => stopping,
    stop: () => {
      stopping = true
    }
  }
}

/**
 * Where herds register. By default one registry for the whole process.
 *
 * **Example** (Looking at every herd)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { HerdRegistry, Lemmings, LemmingsLive } from "lemmings"
 *
 * const program = Effect.gen(function* () {
 *   const herd = yield* Lemmings
 *   yield* herd.run(Effect.void)
 *   const { herds } = yield* HerdRegistry.HerdRegistry
 *   return [...herds().keys()]
 * })
 *
 * const alone = program.pipe(Effect.provide(LemmingsLive), Effect.provide(HerdRegistry.layer))
 * await Effect.runPromise(alone) // => ["lemmings/Lemmings"]
 * ```
 *
 * @category services
 * @since 0.3.0
 */
export const HerdRegistry: Context.Reference<HerdRegistry> = Context.Reference<HerdRegistry>(
  "lemmings/HerdRegistry",
  { defaultValue: make }
)

/**
 * A registry of its own, for the layers that it is provided to: a part of a process, or a test.
 *
 * @category layers
 * @since 0.3.0
 */
export const layer: Layer.Layer<never> = Layer.sync(HerdRegistry, make)
