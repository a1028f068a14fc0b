/**
 * What a dashboard shows, as frames: everything in the first, then what is new. A frame is made when its reader is ready
 * for it, so that a slow one gets fewer.
 *
 * @since 0.3.0
 */
import { Clock, Duration, Effect, Schedule, Stream } from "effect"
import { HerdRegistry, type ManagedHerd } from "lemmings/HerdRegistry"
import type { ScalingDecision } from "lemmings/HerdStats"
import type { Decision, Frame, HerdFrame, Point, QueueFrame } from "../model/ControlModel.ts"
import * as ProcessMetrics from "./ProcessMetrics.ts"
import * as Queues from "./Queues.ts"
import type { Settings } from "../model/Settings.ts"
import { wireFailure, wirePoint, wireStats, wireTask } from "./Wire.ts"

// Points kept of each herd, one a second, and tasks and failures in a frame.
const kept = 600
const shown = 20

/** What a reader has seen of a herd. */
interface Seen {
  point: Point | undefined
  decision: ScalingDecision | undefined
}

const decisionOf = ({ at, by, from, paused, reason, to }: ScalingDecision): Decision => ({
  at,
  from,
  to,
  by,
  reason,
  paused
})

/**
 * Looks at every herd once a second, until the scope closes, and makes frames for those who ask.
 *
 * @category constructors
 * @since 0.3.0
 */
export const make = Effect.fnUntraced(function* (settings: Settings) {
  const registry = yield* HerdRegistry
  const process = yield* ProcessMetrics.readings
  const scope = yield* Effect.scope
  const points = new WeakMap<ManagedHerd, Array<Point>>()
  const pointsOf = (herd: ManagedHerd): Array<Point> => {
    const found = points.get(herd) ?? []
    points.set(herd, found)
    return found
  }

  yield* Effect.gen(function* () {
    const at = yield* Clock.currentTimeMillis
    for (const herd of registry.herds().values()) {
      const past = pointsOf(herd)
      if (past.length === kept) past.shift()
      past.push(wirePoint(at, yield* herd.stats, yield* herd.metrics))
    }
  }).pipe(
    // One herd that cannot be looked at does not end the looking.
    Effect.catchCause((cause) => Effect.logWarning("control: a sample of the herds failed", cause)),
    Effect.repeat(Schedule.fixed("1 second")),
    Effect.forkScoped
  )

  // Asked for while somebody looks, once a second for all who do, and never waited for: a store may be away.
  let queues: ReadonlyArray<QueueFrame> = []
  let askedAt = -Infinity
  const askQueues = (at: number) =>
    Effect.gen(function* () {
      if (at - askedAt < 1000) return
      askedAt = at
      const ask = Effect.map(Queues.frames(settings), (next) => {
        queues = next
      })
      yield* Effect.forkIn(
        Effect.catchCause(ask, (cause) => Effect.logWarning("control: a look at the queues failed", cause)),
        scope
      )
    })

  const herdFrame = (name: string, herd: ManagedHerd, seen: Seen) =>
    Effect.gen(function* () {
      const past = pointsOf(herd)
      const history = yield* herd.history
      const newPoints = seen.point === undefined ? [...past] : past.slice(past.lastIndexOf(seen.point) + 1)
      const first = seen.decision === undefined ? 0 : history.lastIndexOf(seen.decision) + 1
      seen.point = past.at(-1)
      seen.decision = history.at(-1)
      // The page is within its range.
      const running = yield* Effect.orDie(herd.tasks({ status: "running", limit: shown }))
      const failures = (yield* herd.failures).slice(-shown).toReversed()
      return {
        stats: wireStats(name, yield* herd.stats, settings),
        metrics: { ...(yield* herd.metrics), herd: name },
        queue: yield* herd.levels,
        running: running.tasks.map((task) => wireTask(task, settings)),
        failures: failures.map((failure) => wireFailure(failure, settings)),
        points: newPoints,
        decisions: history.slice(first).map(decisionOf)
      } satisfies HerdFrame
    })

  return {
    /** Frames for one reader, at most so many a second. */
    read: (rate: number): Stream.Stream<Frame> =>
      Stream.suspend(() => {
        const seen = new WeakMap<ManagedHerd, Seen>()
        const read = process.reader()
        const frame = Effect.gen(function* () {
          const herds: Array<HerdFrame> = []
          for (const [name, herd] of registry.herds()) {
            const before = seen.get(herd) ?? { point: undefined, decision: undefined }
            seen.set(herd, before)
            herds.push(yield* herdFrame(name, herd, before))
          }
          const at = yield* Clock.currentTimeMillis
          yield* askQueues(at)
          return { at, readOnly: settings.readOnly, process: read(), herds, queues } satisfies Frame
        })
        const later = Effect.delay(frame, Duration.millis(1000 / rate))
        const all = Stream.concat(Stream.fromEffect(frame), Stream.forever(Stream.fromEffect(later)))
        // Nothing more will happen in a process that ends.
        return Stream.takeUntil(
          all,
          ({ herds }) => registry.stopping() && herds.every(({ stats }) => stats.state === "closed")
        )
      })
  }
})
