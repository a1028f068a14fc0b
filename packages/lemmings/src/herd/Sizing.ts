/**
 * The number of workers of one herd: what the policy and the callers want, why it changed, and whether to dispatch.
 */
import { Effect } from "effect"
import * as AsyncContext from "../internal/AsyncContext.ts"
import { inLine, titled } from "../internal/Line.ts"
import * as HerdConfig from "../model/HerdConfig.ts"
import { type HerdClosed, InvalidConfig } from "../model/HerdError.ts"
import type { ScalingDecision } from "../model/HerdStats.ts"
import type { Resources } from "../workers/Resources.ts"
import { type Supervised, type Supervision, type Supervisor, unsupervised } from "../scaling/Supervisor.ts"
import { closed } from "../task/TaskLimits.ts"
import { type Counts, type News, type Place, type Standing, stands, waiting } from "../task/TaskRuntime.ts"

type Sized = Place & Counts & Pick<News, "events"> & Standing

// Decisions kept for `history`, and tasks that the search for the longest wait looks at.
const kept = 100
const searched = 4_096
// How often all running tasks are looked at, at most.
const meanMillis = 10

const oldestWait = (rt: Sized, now: number): number => {
  const next = rt.line.peek()
  let since = next?.waitingSince ?? now
  if (waiting(rt) <= searched) {
    for (const task of rt.line.waiting()) since = Math.min(since, task.waitingSince)
    for (const task of rt.line.suspended()) since = Math.min(since, task.waitingSince)
  }
  return Math.max(0, now - since)
}

/** A policy is asked in the async context of the layer, whoever's task has made the herd ask. */
const inContext = (own: AsyncContext.AsyncContext, supervision: Supervision): Supervision => ({
  policy: supervision.policy,
  awoken: () => AsyncContext.run(own, supervision.awoken),
  resting: supervision.resting,
  // Called for each task that waits.
  noticed: () => (AsyncContext.isUsed() ? AsyncContext.run(own, supervision.noticed) : supervision.noticed()),
  wanted: () => AsyncContext.run(own, supervision.wanted),
  pin: (pinned) => AsyncContext.run(own, supervision.pin, pinned),
  pinned: supervision.pinned
})

/** Keeps the number of workers right, from `start` until the herd closes. */
export const make = (rt: Sized, resources: Resources["Service"], supervisor: Supervisor["Service"]) => {
  let supervision = unsupervised
  const { pool, tally, timers } = rt
  const history: Array<ScalingDecision> = []
  const { kind } = rt.events
  const owned = kind === "pool" ? "resources" : "workers"
  // Whoever paused has to resume: the caller and the policy do not undo each other.
  let byCaller = false
  let byPolicy = false
  const changes = { up: 0, down: 0 }
  let keeping = false

  const remember = (decision: Omit<ScalingDecision, "at">) => {
    if (history.length === kept) history.shift()
    if (decision.to > decision.from) changes.up++
    else if (decision.to < decision.from) changes.down++
    history.push({ ...decision, at: rt.clock.currentTimeMillisUnsafe() })
    rt.events.emit({ _tag: "Resized", ...decision })
    const { by, from, reason, to } = decision
    const text = `${titled(kind, rt.herd)}: ${from} -> ${to} ${owned}, ${by}: ${inLine(reason)}`
    // Workers that own nothing cost nothing, and starting is no change: nobody has to know at 3 a.m.
    const matters = resources.owning && by !== "start"
    const line = matters ? Effect.logInfo(text) : Effect.logDebug(text)
    rt.events.after(() => pool.background("the log", line))
  }

  const pausing = () => {
    const before = pool.paused()
    const after = rt.state === "running" && (byCaller || byPolicy)
    if (before === after) return
    stands(rt)
    if (!after) rt.events.emit({ _tag: "Resumed" })
    pool.setPaused(after)
    if (after) rt.events.emit({ _tag: "Paused" })
  }

  const resizeTo = (decision: Omit<ScalingDecision, "at" | "from">) => {
    const from = pool.counts().target
    const changed = from !== decision.to || byPolicy !== decision.paused
    byPolicy = decision.paused
    step(() => {
      if (changed) remember({ from, ...decision })
      pausing()
      pool.resize(decision.to)
    })
  }

  /** All is changed before anybody is told, who may change it again. */
  const step = (change: () => void) => {
    rt.events.hold()
    try {
      change()
    } finally {
      rt.events.release()
    }
    pool.pump()
  }

  /** A policy that is asked, a worker that is made anew and a limit that opens keep the process while somebody waits for them. */
  const attend = () => {
    const keep = !byCaller && waiting(rt) > 0
    if (keep === keeping) return
    keeping = keep
    timers.beside.keep(keep)
  }

  let meanAge = 0
  let lookedAt = -Infinity
  // When a task last began to wait where nobody waited.
  const waited = { since: timers.now() }
  const supervised: Supervised = {
    timers,
    full: pool.full,
    empty: () => pool.size() === 0,
    counters: () => {
      const now = timers.now()
      if (now - lookedAt >= meanMillis) {
        meanAge = pool.meanAge(now)
        lookedAt = now
      }
      // Whoever waits for room in the queue waits for a worker, too.
      const queued = waiting(rt)
      return {
        workers: pool.counts(),
        queued,
        held: rt.line.flow?.held(now),
        oldestWaitMillis: oldestWait(rt, now),
        waitingMillis: queued === 0 ? 0 : Math.max(0, now - waited.since),
        longestRunMillis: Math.max(0, now - (pool.oldestStart() ?? now)),
        meanRunMillis: meanAge,
        arrivals: tally.submitted + tally.retried + tally.requeued,
        ended: rt.runs.count,
        runMillis: rt.runs.sum + pool.betweenMillis(),
        creations: resources.tally.created,
        creationMillis: resources.tally.creationMillis
      }
    },
    utilization: pool.utilization,
    resize: resizeTo,
    active: () => rt.state === "running" || rt.state === "draining",
    report: rt.events.report
  }

  const open = <A>(change: () => A): Effect.Effect<A, HerdClosed> =>
    Effect.suspend(() =>
      rt.state === "interrupting" || rt.state === "closed" ? Effect.fail(closed(rt)) : Effect.sync(change)
    )

  return {
    /** Starts the workers and the supervisor. */
    start: (initial: number) =>
      Effect.map(supervisor.supervise(supervised, initial), (begun) => {
        supervision = inContext(rt.own, begun)
        rt.supervision = {
          awoken: supervision.awoken,
          resting: supervision.resting,
          wanted: supervision.wanted,
          noticed: (since, tasks) => {
            const { flow } = rt.line
            const alone =
              flow === undefined ? rt.line.size() + rt.line.admitting() === 1 : flow.ready(since) <= tasks
            if (alone) waited.since = since
            if (!keeping) attend()
            supervision.noticed()
          }
        }
        // It says now whether idle workers may go.
        step(() => pool.resize(pool.counts().target))
      }),
    resize: (workers: number | "auto"): Effect.Effect<void, InvalidConfig | HerdClosed> =>
      Effect.suspend((): Effect.Effect<void, InvalidConfig | HerdClosed> => {
        const { max } = pool.counts()
        if (workers === "auto") {
          return open(() => {
            supervision.pin(false)
            // Idle ones may go again.
            step(() => pool.resize(pool.counts().target))
          })
        }
        if (Number.isInteger(workers) && workers >= 0 && workers <= max) {
          return open(() => {
            supervision.pin(true)
            resizeTo({ to: workers, by: "resize", reason: "asked for", paused: false })
          })
        }
        const rule = `an integer from 0 to workers.max (${max}), or "auto"; raise workers.max with setBounds`
        return Effect.fail(new InvalidConfig({ field: "workers", value: workers, rule }))
      }),
    setBounds: ({ max, min }: HerdConfig.Bounds): Effect.Effect<void, InvalidConfig | HerdClosed> =>
      Effect.flatMap(HerdConfig.checkBounds({ min, max }), () =>
        open(() => {
          step(() => {
            const from = pool.counts().target
            pool.setBounds(min, max)
            const to = pool.counts().target
            const reason = `${min} to ${max} allowed`
            if (from !== to) remember({ from, to, by: "setBounds", reason, paused: byPolicy })
          })
          supervision.pin(false)
        })
      ),
    target: Effect.sync(() => pool.counts().target),
    history: Effect.sync((): ReadonlyArray<ScalingDecision> => [...history]),
    /** Nobody is being served now. */
    quiet: () => {
      if (keeping) attend()
    },
    pause: Effect.sync(() => {
      byCaller = true
      step(pausing)
      attend()
    }),
    resume: Effect.sync(() => {
      byCaller = false
      step(pausing)
      attend()
    }),
    /** Changes of the number of workers since the start. */
    changes,
    /** A worker that was not needed left. */
    shrunk: (from: number, reason: string) =>
      remember({ from, to: pool.counts().target, by: "upkeep", reason, paused: byPolicy }),
    elastic: () => supervision.policy !== "fixed" && !supervision.pinned(),
    scaling: () => ({ policy: supervision.policy, pinned: supervision.pinned(), paused: byPolicy })
  }
}

export type Sizing = ReturnType<typeof make>
