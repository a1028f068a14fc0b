/**
 * What workers own: creates resources within a time limit, checks that they are
 * ready, destroys them within a time limit, and keeps spares and temporary ones
 * for `runNow`.
 *
 * Every resource has a `Scope` of its own. Destroying it runs `onDestroy` and then
 * the finalizers of that scope, whatever either of them does.
 *
 * @since 0.1.0
 */
import { Cause, Context, Duration, Effect, Exit, Fiber, Layer, Option, Scope } from "effect"
import { ResourceUnavailable } from "./HerdError.ts"
import { HerdEvents } from "./HerdEvent.ts"
import type { WorkerInfo } from "./Task.ts"

/**
 * How the resources of a herd come and go. All effects have their requirements
 * already.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lifecycle {
  /** Makes one resource. Its scope is the resource's. */
  readonly onCreate: (info: WorkerInfo) => Effect.Effect<unknown, unknown, Scope.Scope>
  readonly onDestroy?: ((resource: unknown) => Effect.Effect<unknown, unknown>) | undefined
  /** Waits until the resource can take a task. Run after creation and between tasks; a failure means unhealthy. */
  readonly ready?: ((resource: unknown) => Effect.Effect<unknown, unknown>) | undefined
  /** Unblocks the task that uses the resource, whose fiber is being interrupted. */
  readonly onInterrupt?: ((resource: unknown) => Effect.Effect<unknown, unknown>) | undefined
}

/**
 * A resource and the scope that ends with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Owned {
  readonly value: unknown
  readonly scope: Scope.Closeable
  readonly info: WorkerInfo
}

/**
 * Resources counted since the start, as in `HerdStats`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tally {
  created: number
  destroyed: number
  temporary: number
  createFailures: number
  destroyFailures: number
  leaked: number
  lastCreateError: unknown
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ResourcePoolOptions {
  readonly herd: string
  /** `undefined`: workers own nothing. */
  readonly lifecycle: Lifecycle | undefined
  /** Milliseconds. */
  readonly createTimeout: number
  /** Milliseconds. */
  readonly destroyTimeout: number
  /** Resources kept beside the workers. */
  readonly spares: number
  /** Most temporary resources at one time. */
  readonly maxTemporary: number
}

/**
 * The resources of one herd.
 *
 * @category services
 * @since 0.1.0
 */
export class ResourcePool extends Context.Service<
  ResourcePool,
  {
    /** Whether workers own a resource at all. */
    readonly owning: boolean
    readonly tally: Readonly<Tally>
    readonly idleSpares: () => number
    /**
     * Calls `onCreate` once, then `ready`, within the create timeout. A failure has been reported and counted when it
     * fails, and is the cause of the `ResourceUnavailable`. Interrupting it destroys what was made, unless `made` was
     * called: then the resource is the caller's, although an interruption may keep it from being returned.
     */
    readonly create: (
      info: WorkerInfo,
      made?: (resource: Owned) => void
    ) => Effect.Effect<Owned, ResourceUnavailable>
    /** Never fails, and ends within the destroy timeout. */
    readonly destroy: (resource: Owned) => Effect.Effect<void>
    /** Waits until the resource can take another task. `undefined`: no need to ask. */
    readonly ready: ((resource: Owned) => Effect.Effect<unknown, unknown>) | undefined
    readonly onInterrupt: ((resource: Owned) => Effect.Effect<unknown, unknown>) | undefined
    /** Takes a spare. */
    readonly takeSpare: () => Owned | undefined
    /** Fills up the spares to their number. Failures are reported; the next call tries again. */
    readonly fillSpares: Effect.Effect<void>
    /** Reserves room for a temporary resource. `false`: there are `maxTemporary` already. */
    readonly reserve: () => boolean
    readonly unreserve: () => void
    /** Gives a spare back. When the pool closes or is full, it has to be destroyed: `false`. */
    readonly giveBack: (resource: Owned) => boolean
    /** Destroys the spares and keeps none from now on. */
    readonly close: Effect.Effect<void>
  }
>()("lemmings/ResourcePool") {
  /** Resources as the module describes. */
  static readonly layer = (options: ResourcePoolOptions): Layer.Layer<ResourcePool, never, HerdEvents> =>
    Layer.effect(ResourcePool, make(options))
}

const nothing: Lifecycle = { onCreate: () => Effect.void }

const make = Effect.fnUntraced(function* (options: ResourcePoolOptions) {
  const events = yield* HerdEvents
  const { onCreate, onDestroy, onInterrupt, ready } = options.lifecycle ?? nothing
  const createTimeout = Duration.millis(options.createTimeout)
  const destroyTimeout = Duration.millis(options.destroyTimeout)
  const spares: Array<Owned> = []
  let filling = 0
  let open = true
  const tally: Tally = {
    created: 0,
    destroyed: 0,
    temporary: 0,
    createFailures: 0,
    destroyFailures: 0,
    leaked: 0,
    lastCreateError: undefined
  }

  const createFailed = (info: WorkerInfo, cause: Cause.Cause<unknown>) => {
    const error = Cause.squash(cause)
    tally.createFailures++
    tally.lastCreateError = error
    events.emit({ _tag: "ResourceCreateFailed", ...info, error })
    return new ResourceUnavailable({ herd: options.herd, cause: error })
  }

  const create = (
    info: WorkerInfo,
    mine?: (resource: Owned) => void
  ): Effect.Effect<Owned, ResourceUnavailable> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        let resource: Owned | undefined
        const made = Effect.suspend(() => onCreate(info)).pipe(
          Effect.provideService(Scope.Scope, scope),
          Effect.flatMap((value) => {
            tally.created++
            resource = { value, scope, info }
            return Effect.as(ready === undefined ? Effect.void : ready(value), resource)
          }),
          Effect.timeout(createTimeout)
        )
        const exit = yield* Effect.exit(restore(made))
        if (Exit.isSuccess(exit)) {
          tally.lastCreateError = undefined
          mine?.(exit.value)
          return exit.value
        }
        if (resource !== undefined) yield* destroy(resource)
        else {
          const closed = yield* Effect.exit(Scope.close(scope, exit))
          if (Exit.isFailure(closed)) events.report("a finalizer of a failed onCreate", closed.cause)
        }
        if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
        return yield* createFailed(info, exit.cause)
      })
    )

  const destroyFailed = (info: WorkerInfo, leaked: boolean, error: unknown) =>
    Effect.sync(() => {
      tally.destroyFailures++
      if (leaked) tally.leaked++
      events.emit({ _tag: "ResourceDestroyFailed", ...info, leaked, error })
    })

  const destroy = (resource: Owned): Effect.Effect<void> =>
    Effect.uninterruptible(
      Effect.gen(function* () {
        const { info, scope, value } = resource
        // The scope closes even when onDestroy fails or is interrupted.
        const work = (onDestroy === undefined ? Effect.void : Effect.suspend(() => onDestroy(value))).pipe(
          Effect.onExit((exit) => Scope.close(scope, exit))
        )
        // Detached: a destruction that ignores interruption must not hold up the herd beyond its time.
        const fiber = yield* Effect.forkDetach(work, { startImmediately: true, uninterruptible: false })
        const ended = yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(fiber)), destroyTimeout)
        tally.destroyed++
        if (Option.isNone(ended)) {
          fiber.interruptUnsafe()
          yield* destroyFailed(
            info,
            true,
            new Error(`onDestroy took longer than ${options.destroyTimeout} ms`)
          )
          yield* Effect.logWarning(
            `herd ${options.herd}: a resource of worker ${info.workerId} was left behind`
          )
        } else if (Exit.isFailure(ended.value)) {
          yield* destroyFailed(info, false, Cause.squash(ended.value.cause))
          yield* Effect.logWarning(`herd ${options.herd}: onDestroy failed`, ended.value.cause)
        }
      })
    )

  const spare: WorkerInfo = { workerId: 0, burst: false }
  const fillSpare = Effect.uninterruptibleMask((restore) => {
    filling++
    let made: Owned | undefined
    return restore(create(spare, (resource) => (made = resource))).pipe(
      // Also after an interruption: what was made has to be kept or destroyed.
      Effect.exit,
      Effect.andThen(
        Effect.suspend(() => (made === undefined || pool.giveBack(made) ? Effect.void : destroy(made)))
      ),
      Effect.ensuring(Effect.sync(() => filling--))
    )
  })

  const pool = ResourcePool.of({
    owning: options.lifecycle !== undefined,
    tally,
    idleSpares: () => spares.length,
    create,
    destroy,
    ready: ready === undefined ? undefined : (resource) => ready(resource.value),
    onInterrupt: onInterrupt === undefined ? undefined : (resource) => onInterrupt(resource.value),
    takeSpare: () => spares.pop(),
    fillSpares: Effect.suspend(() =>
      open
        ? Effect.replicateEffect(fillSpare, Math.max(0, options.spares - spares.length - filling), {
            concurrency: "unbounded",
            discard: true
          })
        : Effect.void
    ),
    reserve: () => {
      if (tally.temporary >= options.maxTemporary) return false
      tally.temporary++
      return true
    },
    unreserve: () => {
      tally.temporary--
    },
    giveBack: (resource) => {
      if (!open || spares.length >= options.spares) return false
      spares.push(resource)
      return true
    },
    close: Effect.suspend(() => {
      open = false
      return Effect.forEach(spares.splice(0), destroy, { concurrency: "unbounded", discard: true })
    })
  })
  return pool
})
