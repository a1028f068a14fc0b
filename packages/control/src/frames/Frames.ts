/**
 * What a dashboard shows, as frames: everything in the first, then what is new. A frame is made when its reader is ready
 * for it, so that a slow one gets fewer.
 */
import { Clock, Duration, Effect, Schedule, Stream } from "effect"
import * as Shared from "lemmings/internal/Shared"
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
// Milliseconds that a look at the herds is for everybody.
const fresh = 50

/** What a reader has seen of a herd. */
interface Seen {
  readonly point: Point | undefined
  readonly decision: ScalingDecision | undefined
}

/** One herd, for all readers. */
interface Look {
  readonly herd: ManagedHerd
  readonly rest: Omit<HerdFrame, "points" | "decisions">
  readonly points: ReadonlyArray<Point>
  readonly decisions: ReadonlyArray<ScalingDecision>
}

/** All herds, for all readers. */
interface Sight {
  readonly looks: ReadonlyArray<Look>
  readonly rest: Omit<Frame, "herds">
  readonly last: boolean
  /** The frame as JSON, by what its reader has seen before. */
  readonly texts: Map<string, string>
}

const decisionOf = ({ at, by, from, paused, reason, to }: ScalingDecision): Decision => ({
  at,
  from,
  to,
  by,
  reason,
  paused
})

const nothing: Seen = { point: undefined, decision: undefined }

/** The frame for a reader, who has seen all of it then. Readers that have seen the same get the same text. */
const textFor = ({ looks, rest, texts }: Sight, seen: WeakMap<ManagedHerd, Seen>): string => {
  const from = looks.map(({ decisions, herd, points }) => {
    const { decision, point } = seen.get(herd) ?? nothing
    seen.set(herd, { point: points.at(-1), decision: decisions.at(-1) })
    return [
      point === undefined ? 0 : points.lastIndexOf(point) + 1,
      decision === undefined ? 0 : decisions.lastIndexOf(decision) + 1
    ] as const
  })
  const key = from.join(" ")
  const made = texts.get(key)
  if (made !== undefined) return made
  const herds = looks.map(({ decisions, points, rest }, i): HerdFrame => {
    const [point = 0, decision = 0] = from[i] ?? []
    return { ...rest, points: points.slice(point), decisions: decisions.slice(decision).map(decisionOf) }
  })
  const text = JSON.stringify({ ...rest, herds } satisfies Frame)
  texts.set(key, text)
  return text
}

/** Looks at every herd once a second, until the scope closes, and makes frames for those who ask. */
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

  const herdFrame = (name: string, herd: ManagedHerd) =>
    Effect.gen(function* () {
      // The page is within its range.
      const running = yield* Effect.orDie(herd.tasks({ status: "running", limit: shown }))
      const failures = (yield* herd.failures).slice(-shown).toReversed()
      const rest: Omit<HerdFrame, "points" | "decisions"> = {
        stats: wireStats(name, yield* herd.stats, settings),
        metrics: { ...(yield* herd.metrics), herd: name },
        queue: yield* herd.levels,
        running: running.tasks.map((task) => wireTask(task, settings)),
        failures: failures.map((failure) => wireFailure(failure, settings))
      }
      return { herd, rest, points: [...pointsOf(herd)], decisions: yield* herd.history } satisfies Look
    })

  const read = process.reader()
  const look = Effect.gen(function* () {
    const looks: Array<Look> = []
    for (const [name, herd] of registry.herds()) looks.push(yield* herdFrame(name, herd))
    const at = yield* Clock.currentTimeMillis
    yield* askQueues(at)
    const rest = { at, readOnly: settings.readOnly, process: read(), queues }
    // Nothing more will happen in a process that ends.
    const last = registry.stopping() && looks.every(({ rest }) => rest.stats.state === "closed")
    return { looks, rest, last, texts: new Map<string, string>() } satisfies Sight
  })

  // One look for all readers that are ready at about the same time.
  const current = yield* Shared.make(look, fresh)

  return {
    /** Frames as JSON for one reader, at most so many a second. */
    read: (rate: number): Stream.Stream<string> =>
      Stream.suspend(() => {
        const seen = new WeakMap<ManagedHerd, Seen>()
        let ended = false
        const frame = Effect.map(current, (now) => {
          ended = now.last
          return textFor(now, seen)
        })
        const later = Effect.delay(frame, Duration.millis(1000 / rate))
        const all = Stream.concat(Stream.fromEffect(frame), Stream.forever(Stream.fromEffect(later)))
        return Stream.takeUntil(all, () => ended)
      })
  }
})
