/**
 * What workers own: creates resources within a time limit, checks that they are
 * ready and valid, knows when they are too old, destroys them within a time limit,
 * and keeps spares and temporary ones for `runNow`.
 *
 * Every resource has a `Scope` of its own. Destroying it runs `onDestroy` and then
 * the finalizers of that scope, whatever either of them does.
 *
 * @since 0.1.0
 */
import { Cause, Clock, Context, Duration, Effect, Exit, Fiber, Layer, Option, Random, Scope } from "effect"
import * as Time from "../internal/Time.ts"
import * as AsyncContext from "../internal/AsyncContext.ts"
import * as Fibers from "../internal/Fibers.ts"
import { titled } from "../internal/Line.ts"
import { ResourceUnavailable } from "../model/HerdError.ts"
import { HerdEvents } from "../model/HerdEvent.ts"
import type { RecycleReason } from "../model/HerdStats.ts"
import { Histogram } from "../internal/Histogram.ts"
import type { WorkerInfo } from "../model/Task.ts"

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
  /** Whether a resource that was unused for a while still works. A failure means no. */
  readonly validate?: ((resource: unknown) => Effect.Effect<boolean, unknown>) | undefined
  /** Whether a resource that comes back should go, such as for the memory it has gathered. */
  readonly recycleWhen?: ((resource: unknown, usage: Usage) => boolean) | undefined
  /** Ends when the resource has broken by itself. */
  readonly awaitLost?: ((resource: unknown) => Effect.Effect<unknown, unknown>) | undefined
  /** Whether a resource with a task takes one more. */
  readonly hasRoom?: ((resource: unknown) => boolean) | undefined
  /** Part of the time since the call before that the resource was busy. */
  readonly utilization?: ((resource: unknown) => number | undefined) | undefined
}

/**
 * What a resource has been through.
 *
 * @category models
 * @since 0.2.0
 */
export interface Usage {
  /** Tasks that it has served. */
  readonly uses: number
  readonly ageMillis: number
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
  /** Milliseconds on the monotonic clock. */
  readonly createdAt: number
  readonly expiresAt: number
  /** Of the last use. */
  usedAt: number
  /** Of the last use or successful check. */
  goodAt: number
  /** When it has to be validated although nobody wants it. `Infinity`: never. */
  checkAt: number
  uses: number
  /** Why it must not be used again. */
  condemned: RecycleReason | undefined
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
  createFailuresInARow: number
  /** Epoch milliseconds of the first and of the last of those. `undefined`: the last call of `onCreate` did not fail. */
  createFailingSince: number | undefined
  lastCreateFailureAt: number | undefined
  destroyFailures: number
  leaked: number
  invalid: number
  /** What creating took, all together. */
  creationMillis: number
  lastCreateError: unknown
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ResourcesOptions {
  readonly herd: string
  /** `undefined`: workers own nothing. */
  readonly lifecycle: Lifecycle | undefined
  /** Milliseconds. */
  readonly createTimeout: number
  /** Milliseconds. */
  readonly destroyTimeout: number
  readonly validateAfter: number
  readonly validateTimeout: number
  /** Milliseconds. `Infinity`: never. */
  readonly maxLifetime: number
  readonly keepAlive: number
  /** `Infinity`: unlimited. */
  readonly maxUses: number
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
export class Resources extends Context.Service<
  Resources,
  {
    /** Whether workers own a resource at all. */
    readonly owning: boolean
    readonly tally: Readonly<Tally>
    /** What successful creations took, in milliseconds. */
    readonly creations: Histogram
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
    readonly now: () => number
    /** Why the resource must not be used, if so. */
    readonly stale: (resource: Owned, now: number) => RecycleReason | undefined
    /** Whether the resource has to be validated before it is used. */
    readonly doubtful: (resource: Owned, now: number) => boolean
    /** Validates within the time limit, and remembers a good answer. Never fails. */
    readonly validate: (resource: Owned) => Effect.Effect<boolean>
    /** Counts a use, and returns why the resource should go, if so. */
    readonly used: (resource: Owned, now: number) => RecycleReason | undefined
    /** Waits until the resource can take another task. `undefined`: no need to ask. */
    readonly ready: ((resource: Owned) => Effect.Effect<unknown, unknown>) | undefined
    readonly onInterrupt: ((resource: Owned) => Effect.Effect<unknown, unknown>) | undefined
    /** Calls `lost` when the resource has broken by itself, unless it is destroyed before. */
    readonly watch: (resource: Owned, lost: () => void) => void
    /** Whether a resource with a task takes one more. `undefined`: none does. */
    readonly hasRoom: ((resource: Owned) => boolean) | undefined
    /** Part of the time since the call before that the resource was busy. `undefined`: resources do not say. */
    readonly utilization: ((resource: Owned) => number | undefined) | undefined
    /** Takes a spare that can be used, once it has been validated if it was unused for long. */
    readonly takeSpare: Effect.Effect<Owned | undefined>
    /** Replaces all spares. Returns how many. */
    readonly evictSpares: Effect.Effect<number>
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
>()("lemmings/Resources") {
  /** Resources as the module describes. */
  static readonly layer = (options: ResourcesOptions): Layer.Layer<Resources, never, HerdEvents> =>
    Layer.effect(Resources, make(options))
}

// HikariCP's: lifetimes vary by 2.5 %, checks by 10 %.
const lifetimeJitter = 0.025
const keepAliveJitter = 0.1

/** A logger that throws is no failure of what is logged. */
const warned = (...message: ReadonlyArray<unknown>): Effect.Effect<void> =>
  Effect.ignoreCause(Effect.logWarning(...message))

const nothing: Lifecycle = { onCreate: () => Effect.void }

const make = Effect.fnUntraced(function* (options: ResourcesOptions) {
  const events = yield* HerdEvents
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const { awaitLost, hasRoom, onCreate, onDestroy, onInterrupt, ready, recycleWhen, utilization, validate } =
    options.lifecycle ?? nothing
  const context = yield* Fibers.lasting
  const own = AsyncContext.here()
  const title = titled(events.kind, options.herd)
  const createTimeout = Duration.millis(options.createTimeout)
  const destroyTimeout = Duration.millis(options.destroyTimeout)
  const creations = new Histogram()
  const spares: Array<Owned> = []
  let filling = 0
  let open = true
  const tally: Tally = {
    created: 0,
    destroyed: 0,
    temporary: 0,
    createFailures: 0,
    createFailuresInARow: 0,
    createFailingSince: undefined,
    lastCreateFailureAt: undefined,
    destroyFailures: 0,
    leaked: 0,
    invalid: 0,
    creationMillis: 0,
    lastCreateError: undefined
  }

  const now = () => Time.monotonic(clock)
  const earlier = (millis: number, part: number) => millis * (1 - part * random.nextDoubleUnsafe())
  const nextCheck = (at: number) =>
    options.keepAlive === Infinity ? Infinity : at + earlier(options.keepAlive, keepAliveJitter)

  /** A question about a resource, with the answer that stands for one that throws. */
  const asked = <A>(name: string, ask: ((resource: unknown) => A) | undefined, otherwise: A) =>
    ask === undefined
      ? undefined
      : ({ value }: Owned): A => {
          try {
            return AsyncContext.run(own, ask, value)
          } catch (defect) {
            events.report(name, Cause.die(defect))
            return otherwise
          }
        }

  const createFailed = (info: WorkerInfo, cause: Cause.Cause<unknown>) => {
    const error = Cause.squash(cause)
    tally.createFailures++
    tally.createFailuresInARow++
    tally.lastCreateError = error
    tally.lastCreateFailureAt = clock.currentTimeMillisUnsafe()
    tally.createFailingSince ??= tally.lastCreateFailureAt
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
        const began = now()
        let resource: Owned | undefined
        let left = false
        const own = (value: unknown): Owned => {
          tally.created++
          const at = now()
          return {
            value,
            scope,
            info,
            createdAt: at,
            // Not all at once: those made together would be replaced together.
            expiresAt: at + earlier(options.maxLifetime, lifetimeJitter),
            usedAt: at,
            goodAt: at,
            checkAt: nextCheck(at),
            uses: 0,
            condemned: undefined
          }
        }
        // A promise goes on although nobody waits for it: what it brings is destroyed.
        const tooLate = (exit: Exit.Exit<unknown, unknown>) =>
          Effect.suspend(() => (Exit.isSuccess(exit) ? destroy(own(exit.value)) : ended(scope, exit)))
        const making = Effect.suspend(() => onCreate(info)).pipe(Effect.provideService(Scope.Scope, scope))
        const made = Fibers.outlasting(making, () => (left = true), tooLate).pipe(
          Effect.flatMap((value) => {
            resource = own(value)
            return Effect.as(ready === undefined ? Effect.void : ready(value), resource)
          }),
          Effect.timeout(createTimeout)
        )
        const exit = yield* Effect.exit(restore(made))
        if (Exit.isSuccess(exit)) {
          tally.lastCreateError = tally.lastCreateFailureAt = tally.createFailingSince = undefined
          tally.createFailuresInARow = 0
          const took = now() - began
          tally.creationMillis += took
          creations.record(took)
          mine?.(exit.value)
          return exit.value
        }
        if (resource !== undefined) yield* destroy(resource)
        else if (!left) yield* ended(scope, exit)
        if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
        return yield* createFailed(info, exit.cause)
      })
    )

  /** Ends what a creation without a resource has left. */
  const ended = (scope: Scope.Closeable, exit: Exit.Exit<unknown, unknown>) =>
    Effect.map(Effect.exit(Scope.close(scope, exit)), (closed) => {
      if (Exit.isFailure(closed)) events.report("a finalizer of a failed onCreate", closed.cause)
    })

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
          Fibers.interrupt(fiber)
          const left = `${events.kind === "pool" ? "resource" : "the resource of worker"} ${info.workerId}`
          yield* destroyFailed(
            info,
            true,
            new Error(`onDestroy took longer than ${options.destroyTimeout} ms`)
          )
          yield* warned(`${title}: ${left} was left behind`)
        } else if (Exit.isFailure(ended.value)) {
          yield* destroyFailed(info, false, Cause.squash(ended.value.cause))
          yield* warned(`${title}: onDestroy failed`, ended.value.cause)
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

  const pool = Resources.of({
    owning: options.lifecycle !== undefined,
    tally,
    creations,
    idleSpares: () => spares.length,
    create,
    destroy,
    now,
    stale: (resource, at) => {
      if (resource.condemned === undefined && at >= resource.expiresAt) resource.condemned = "expired"
      return resource.condemned
    },
    doubtful: (resource, at) => validate !== undefined && at - resource.goodAt > options.validateAfter,
    validate: (resource) =>
      validate === undefined
        ? Effect.succeed(true)
        : Effect.suspend(() => validate(resource.value)).pipe(
            Effect.timeout(Duration.millis(options.validateTimeout)),
            Effect.exit,
            Effect.map((exit) => {
              const at = now()
              const valid = Exit.isSuccess(exit) && exit.value
              if (valid) {
                resource.goodAt = at
                resource.checkAt = nextCheck(at)
              } else {
                tally.invalid++
                resource.condemned ??= "invalid"
              }
              return valid
            })
          ),
    used: (resource, at) => {
      resource.usedAt = resource.goodAt = at
      resource.uses++
      if (resource.condemned !== undefined) return resource.condemned
      if (resource.uses >= options.maxUses) resource.condemned = "spent"
      else if (at >= resource.expiresAt) resource.condemned = "expired"
      else if (recycleWhen !== undefined) {
        try {
          const usage = { uses: resource.uses, ageMillis: at - resource.createdAt }
          if (AsyncContext.run(own, recycleWhen, resource.value, usage)) resource.condemned = "unwanted"
        } catch (defect) {
          events.report("recycleWhen", Cause.die(defect))
        }
      }
      return resource.condemned
    },
    ready: ready === undefined ? undefined : (resource) => ready(resource.value),
    onInterrupt: onInterrupt === undefined ? undefined : (resource) => onInterrupt(resource.value),
    watch: (resource, lost) => {
      if (awaitLost === undefined) return
      const wait = Effect.exit(Effect.suspend(() => awaitLost(resource.value)))
      const watch = Effect.forkIn(
        Effect.tap(wait, (exit) =>
          Effect.sync(() => {
            if (exit._tag === "Failure") events.report("awaitLost", exit.cause)
            if (resource.condemned === undefined) lost()
          })
        ),
        resource.scope
      )
      AsyncContext.run(own, () => Fibers.start(context, watch))
    },
    hasRoom: asked("hasRoom", hasRoom, false),
    utilization: asked("utilization", utilization, undefined),
    takeSpare: Effect.uninterruptible(
      Effect.gen(function* () {
        for (let spare = spares.pop(); spare !== undefined; spare = spares.pop()) {
          const at = now()
          const usable =
            pool.stale(spare, at) === undefined &&
            (!pool.doubtful(spare, at) || (yield* pool.validate(spare)))
          if (usable) return spare
          yield* destroy(spare)
        }
        return undefined
      })
    ),
    evictSpares: Effect.suspend(() => {
      const evicted = spares.splice(0)
      return Effect.forEach(evicted, destroy, { concurrency: "unbounded", discard: true }).pipe(
        Effect.andThen(Effect.suspend(() => pool.fillSpares)),
        Effect.as(evicted.length)
      )
    }),
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
