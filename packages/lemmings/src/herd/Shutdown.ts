/**
 * The way out: Running → Draining → Interrupting → Closed. Each phase has a
 * deadline, and the report says what was left.
 */
import { Deferred, Duration, Effect } from "effect"
import type * as Waits from "../internal/Waits.ts"
import * as Fibers from "../internal/Fibers.ts"
import type { HerdState } from "../model/HerdError.ts"
import type { ShutdownReport } from "../model/HerdStats.ts"
import type { Resources } from "../workers/Resources.ts"
import { drop } from "../task/Dropping.ts"
import { type Counts, type News, type Place, type Standing, stands } from "../task/TaskRuntime.ts"

// How long the end of many tasks may keep the event loop.
const sliceMillis = 8
// Settled in one step with others, they take milliseconds.
const manyTasks = 10_000

/** Time limits of a shutdown, in milliseconds. */
interface Limits {
  readonly drain: number
  readonly interrupt: number
  readonly destroy: number
}

/** Stops a herd once, however often it is asked to. */
export interface Shutdown {
  /** Begins, or joins the shutdown that has begun. Interrupting the wait does not stop the shutdown. */
  readonly stop: (limits: Limits) => Effect.Effect<ShutdownReport>
  /** Begins with interrupting, or skips the rest of draining. */
  readonly kill: (limits: Limits) => Effect.Effect<ShutdownReport>
}

export const make = (
  rt: Place & Counts & Pick<News, "events"> & Standing,
  resources: Resources["Service"],
  waits: Waits.Waits
): Shutdown => {
  const report = Deferred.makeUnsafe<ShutdownReport>()
  let killed = false

  const enter = (state: HerdState) => {
    rt.state = state
    stands(rt)
    rt.events.emit({ _tag: "StateChanged", state })
  }
  const empty = () => rt.line.size() === 0 && rt.tally.running === 0 && rt.delayed.size === 0
  const idle = () => rt.tally.running === 0
  /** Queued tasks that no worker will ever run need no waiting for. */
  const stuck = () => {
    const { busy, size, target } = rt.pool.counts()
    return rt.tally.running === 0 && rt.line.size() > 0 && size === 0 && busy === 0 && target === 0
  }
  const within = (limit: number, holds: () => boolean) =>
    Effect.timeoutOption(waits.until(holds), Duration.millis(limit))

  const run = (limits: Limits) =>
    Effect.gen(function* () {
      const { line, pool, tally } = rt
      const ended = () => tally.succeeded + tally.failed - tally.notEnded
      const before = ended()
      if (!killed) {
        enter("draining")
        drop(rt, line.dismiss(), "closed")
        pool.setPaused(false)
        pool.pump()
        yield* within(limits.drain, () => killed || empty() || stuck())
      }
      const completed = ended() - before
      const lost = tally.notEnded

      enter("interrupting")
      // In one step: what moves up when the queue is cleared would otherwise be accepted by a closing herd.
      drop(rt, line.dismiss(), "closed")
      const abandoned = drop(rt, line.clear(), "closed") + rt.delayed.size
      // To settle very many takes a turn of the event loop, and to tell them begins with the next.
      if (abandoned > manyTasks) yield* Effect.yieldNow
      pool.pump()
      yield* inTurns(rt.delayed, (task) => task.close())
      const running = pool.leases().flatMap(({ holder }) => holder ?? [])
      yield* inTurns(running, (task) => task.close())
      yield* within(limits.interrupt, idle)
      let leaked = running.filter((task) => task.giveUp()).length
      pool.pump()

      const leakedBefore = resources.tally.leaked
      // One onDestroy may follow another fiber's end, hence twice its limit for all of them together.
      leaked += yield* pool.close(2 * limits.destroy)
      leaked += resources.tally.leaked - leakedBefore
      rt.timers.close()
      yield* waits.until(pool.told)
      enter("closed")
      waits.check()
      return { completed, interrupted: running.length + lost, abandoned, leaked }
    })

  /** Ends tasks, and gives the event loop its turns when there are many. */
  const inTurns = <T>(tasks: Iterable<T>, end: (task: T) => void) =>
    Effect.gen(function* () {
      let began = rt.timers.now()
      for (const task of tasks) {
        end(task)
        if (rt.timers.now() - began < sliceMillis) continue
        rt.pool.pump()
        yield* Effect.yieldNow
        began = rt.timers.now()
      }
      rt.pool.pump()
    })

  const begin = (limits: Limits) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const done = restore(Deferred.await(report))
        if (rt.state !== "running") {
          waits.check()
          return done
        }
        // In the same step as the test: whoever comes later is refused.
        rt.state = killed ? "interrupting" : "draining"
        stands(rt)
        return Effect.andThen(
          Effect.forkDetach(Deferred.into(Fibers.within(rt.own, run(limits)), report), {
            startImmediately: true
          }),
          done
        )
      })
    )

  return {
    stop: begin,
    kill: (limits) =>
      Effect.suspend(() => {
        killed = true
        return begin(limits)
      })
  }
}
