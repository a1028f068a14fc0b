/**
 * The ways into a herd. Each builds a `TaskRun`, has it accepted in one
 * uninterruptible step, and waits for its end where the caller wants to.
 *
 * @since 0.1.0
 */
import { Cause, Effect, Exit, Stream } from "effect"
import * as AsyncContext from "../internal/AsyncContext.ts"
import * as Fibers from "../internal/Fibers.ts"
import { Batch } from "../task/Batch.ts"
import { InvalidConfig } from "../model/HerdError.ts"
import * as Many from "./Many.ts"
import type { Owned, Resources } from "../workers/Resources.ts"
import type { TaskHandle, TaskOptions, TaskStatus } from "../model/Task.ts"
import { TaskRun } from "../task/TaskRun.ts"
import type { Runtime } from "../task/TaskRuntime.ts"
import { decode, decoded, notATask, TaskTerms } from "../task/TaskTerms.ts"
import type { Lease } from "../workers/Worker.ts"

/** A task whose types are the caller's business. Its context is captured when it is submitted. */
type Task = Effect.Effect<unknown, unknown>

/** Waits for a lease, runs, and returns the result. */
export const run = (rt: Runtime, task: Task, terms: TaskTerms): Effect.Effect<unknown, unknown> =>
  Effect.callback((resume) => {
    const run = new TaskRun(rt, task, Fibers.contextHere(), terms)
    run.accept(true)
    const exit = run.end()
    if (exit !== undefined) {
      resume(exit)
      return undefined
    }
    run.listen(resume)
    run.awaitedBy(Fibers.here())
    // Leaving: out of the queue, or interrupted and waited for.
    return run.interrupt
  })

/** Returns when the task is accepted. */
export const submit = (
  rt: Runtime,
  task: Task,
  terms: TaskTerms,
  mayWait = true
): Effect.Effect<TaskHandle<unknown, unknown>, unknown> =>
  Effect.withFiber((fiber) =>
    Effect.callback((resume) => {
      const run = new TaskRun(rt, task, fiber.context, terms)
      const answer = run.accept(mayWait)
      if (answer === "accepted") {
        resume(Effect.succeed(run))
        return undefined
      }
      const exit = run.end()
      if (exit !== undefined) {
        resume(exit as Exit.Exit<never, unknown>)
        return undefined
      }
      let waiting = true
      run.onAccepted(() => {
        waiting = false
        resume(Effect.succeed(run))
      })
      // Refused after all, by its deadline or by a closing herd.
      run.listen((exit) => {
        if (waiting) resume(exit as Exit.Exit<never, unknown>)
      })
      return Effect.suspend(() => (waiting ? run.interrupt : Effect.void))
    })
  )

/** Runs past the queue: on an idle worker, on a spare, or on a temporary resource. */
export const runNow = (
  rt: Runtime,
  resources: Resources["Service"],
  task: Task,
  terms: TaskTerms
): Effect.Effect<unknown, unknown> => {
  // Takes the lease in the same step as its caller made it: an interruption in between would lose it.
  const on = (lease: Lease | undefined, restore: Restore): Effect.Effect<unknown, unknown> => {
    const first = lease === undefined
    const urgent = terms.but({ once: true, level: first ? foremost : terms.level })
    const run = new TaskRun(rt, task, Fibers.contextHere(), urgent)
    if (lease === undefined) run.accept(true)
    else if (!run.acceptOn(lease)) rt.pool.release(lease, true)
    return run.end() ?? Effect.onInterrupt(restore(run.join), () => run.interrupt)
  }
  const giveBack = (lease: Lease, healthy: boolean) => {
    const { resource } = lease
    if (resource === undefined || (healthy && resources.giveBack(resource))) return
    rt.pool.background(
      "the stop of a spare",
      Effect.andThen(resources.destroy(resource), resources.fillSpares)
    )
  }
  const onTemporary = (restore: Restore): Effect.Effect<unknown, unknown> => {
    if (!resources.reserve()) return on(undefined, restore)
    const discard = (resource: Owned) =>
      Effect.ensuring(Fibers.within(rt.own, resources.destroy(resource)), Effect.sync(resources.unreserve))
    let made: Owned | undefined
    const create = resources.create({ workerId: 0, burst: false }, (resource) => (made = resource))
    return restore(Fibers.within(rt.own, create)).pipe(
      Effect.onError(() => (made === undefined ? Effect.sync(resources.unreserve) : discard(made))),
      Effect.flatMap((resource) =>
        on(
          rt.pool.guest(resource, () =>
            rt.pool.background("the stop of a temporary resource", discard(resource))
          ),
          restore
        )
      )
    )
  }
  return Effect.uninterruptibleMask((restore) =>
    Effect.suspend((): Effect.Effect<unknown, unknown> => {
      if (rt.state !== "running" || rt.pool.paused()) return on(undefined, restore)
      const idle = rt.pool.borrow()
      if (idle !== undefined) return on(idle, restore)
      // Its resource has to be looked at first. Not where the queue might hold it: it asks no limit.
      if (rt.pool.idle() > 0 && rt.line.flow === undefined) return on(undefined, restore)
      if (!resources.owning)
        return on(
          rt.pool.guest(undefined, () => {}),
          restore
        )
      return Effect.flatMap(Fibers.within(rt.own, resources.takeSpare), (spare) => {
        if (spare === undefined) return onTemporary(restore)
        const lease: Lease = rt.pool.guest(spare, (healthy) => giveBack(lease, healthy))
        return on(lease, restore)
      })
    })
  )
}

/** Makes a part of an uninterruptible effect interruptible again. */
type Restore = <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

/** Before any level that a caller would choose, and small enough that ageing keeps its precision. */
const foremost = 1_000_000_000

// How long accepting may keep the event loop.
const sliceMillis = 8

/**
 * Runs many tasks. With `failFast` the first bad exit interrupts the rest and is
 * the result, once they have all ended.
 */
export const runAll = (
  rt: Runtime,
  many: Many.Many,
  terms: TaskTerms,
  mode: "failFast" | "settle"
): Effect.Effect<unknown, unknown> =>
  Effect.withFiber((fiber) =>
    Effect.callback((resume) => {
      const settle = mode === "settle"
      const { list } = many
      const results: Array<unknown> = []
      results.length = list.length
      // Only those that have not ended: the others must not be kept alive by the list.
      const active: Array<TaskRun | undefined> = []
      active.length = list.length
      let fed = 0
      let pending = 0
      let batch: Batch | undefined
      let stopped: Exit.Exit<never, unknown> | undefined
      let whenEnded: (() => void) | undefined

      const finish = () => {
        if (pending > 0 || fed < list.length) return
        if (whenEnded !== undefined) whenEnded()
        else resume(stopped ?? Effect.succeed(many.shaped(results)))
      }
      const stopAll = (exit: Exit.Exit<never, unknown>) => {
        stopped = exit
        fed = list.length
        // Waiting ones first: a running one that ends at once would start them.
        batch?.stop("caller")
        for (const run of active) if (run !== undefined && run.phase !== "running") run.stop("caller")
        for (const run of active) run?.stop("caller")
        rt.pool.pump()
      }
      const keep = (index: number, exit: Exit.Exit<unknown, unknown>) => {
        pending--
        if (settle) results[index] = exit
        else if (exit._tag === "Success") results[index] = exit.value
        else if (stopped === undefined) stopAll(Exit.failCause(exit.cause))
      }
      const follow = (index: number, run: TaskRun) => {
        active[index] = run
        run.listen((exit) => {
          active[index] = undefined
          keep(index, exit)
          finish()
        })
      }
      // The herd may go on in another turn of the event loop.
      const from = AsyncContext.here()
      const feed = () => {
        const began = rt.timers.now()
        while (fed < list.length) {
          const index = fed++
          const task = list[index] ?? notATask(`tasks[${index}]`, list[index])
          const run = new TaskRun(rt, task, fiber.context, terms, undefined, undefined, from)
          pending++
          run.accept(true)
          const exit = run.end()
          if (exit === undefined) {
            follow(index, run)
            run.awaitedBy(fiber)
          } else keep(index, exit)
          if (run.phase === "queued" && fed < list.length && Batch.fits(rt, terms)) return feedRest()
          if (run.enqueuedAt - began > sliceMillis) return rt.pool.soon(feed)
        }
        finish()
      }
      /** No worker is idle: the rest stands in the queue as one. */
      const feedRest = () => {
        batch = new Batch(rt, list, fed, fiber.context, from, terms, {
          starting: follow,
          skipped: (index, exit) => {
            if (settle || stopped === undefined) keep(index, exit())
            else pending--
            finish()
          }
        })
        pending += batch.tasks
        fed = list.length
        batch.waiter = fiber
        batch.accept()
        rt.pool.pump()
      }
      feed()
      return Effect.callback<void>((left) => {
        whenEnded = () => left(Effect.void)
        stopAll(Exit.failCause(Cause.interrupt()))
        finish()
      })
    })
  )

/**
 * What became of one element of a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskOutput<out I, out A, out E> {
  readonly id: string
  /** The element that the task was made from. */
  readonly input: I
  readonly status: TaskStatus
  /** Executions begun. 0: refused or shed. */
  readonly attempts: number
  readonly result: Exit.Exit<A, E>
}

/**
 * Runs one task and returns what became of it, whatever that is.
 *
 * @category operations
 * @since 0.1.0
 */
const observe = <I>(
  rt: Runtime,
  input: I,
  task: Task,
  terms: TaskTerms
): Effect.Effect<TaskOutput<I, unknown, unknown>> =>
  Effect.withFiber((fiber) =>
    Effect.callback((resume) => {
      const run = new TaskRun(rt, task, fiber.context, terms)
      run.listen((result) =>
        resume(
          Effect.map(run.status, (status) => ({ id: run.id, input, status, attempts: run.begun, result }))
        )
      )
      run.accept(true)
      run.awaitedBy(fiber)
      return run.phase === "done" ? undefined : run.interrupt
    })
  )

/** What `runAll` is given. */
export type AllOptions = TaskOptions & { readonly mode?: "failFast" | "settle" | undefined }

/** Reads what `runAll` is given, at the call, and goes on with it. */
export const readAll = <R>(
  tasks: Many.Tasks,
  options: AllOptions | undefined,
  go: (many: Many.Many, terms: TaskTerms, mode: "failFast" | "settle") => Effect.Effect<unknown, unknown, R>
): Effect.Effect<unknown, unknown, R> => {
  const many = Many.read(tasks)
  if (!(many instanceof Many.Many)) return many
  return decoded(options, (terms) => {
    const mode = options?.mode ?? "failFast"
    return mode === "failFast" || mode === "settle"
      ? go(many, terms, mode)
      : Effect.die(new InvalidConfig({ field: "mode", value: mode, rule: `"failFast" or "settle"` }))
  })
}

/** What `stream` is given. */
export type StreamOptions = TaskOptions & {
  readonly ordered?: boolean | undefined
  readonly concurrency?: number | undefined
}

/** Reads what `stream` is given, at the call, and goes on with it. */
export const readStream = <A, E, R>(
  options: StreamOptions | undefined,
  go: (terms: TaskTerms, flow: Flow) => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> => {
  const terms = decode(options)
  if (!(terms instanceof TaskTerms)) return Stream.fromEffect(terms)
  try {
    return go(terms, flowOf(options ?? {}))
  } catch (defect) {
    return Stream.die(defect)
  }
}

/** How the tasks of a stream follow each other. */
export interface Flow {
  readonly ordered: boolean
  readonly concurrency: number | undefined
}

/** Throws `InvalidConfig`. */
const flowOf = ({ concurrency, ordered = false }: StreamOptions): Flow => {
  if (typeof ordered !== "boolean")
    throw new InvalidConfig({ field: "ordered", value: ordered, rule: "true or false" })
  if (
    concurrency !== undefined &&
    !(concurrency >= 1 && (Number.isInteger(concurrency) || concurrency === Infinity))
  )
    throw new InvalidConfig({ field: "concurrency", value: concurrency, rule: "an integer, at least 1" })
  return { ordered, concurrency }
}

/**
 * Runs a task for each element, at most `concurrency` in the herd at one time,
 * and emits what became of each.
 */
export const stream = <I, E, R>(
  rt: Runtime,
  source: Stream.Stream<I, E, R>,
  task: (input: I) => Task,
  terms: TaskTerms,
  { concurrency, ordered }: Flow
): Stream.Stream<TaskOutput<I, unknown, unknown>, E, R> =>
  Stream.mapEffect(
    source,
    (input) =>
      observe(
        rt,
        input,
        Effect.suspend(() => task(input)),
        terms
      ),
    // As many again as there are workers, so that no worker waits for the source.
    {
      concurrency: concurrency ?? Math.max(2, 2 * rt.pool.counts().max),
      unordered: !ordered
    }
  )
