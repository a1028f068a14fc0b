/**
 * What a dashboard shows, as frames: overviews of all herds and queues, and the details of the one that is open. Everything
 * comes in the first frame, then what is new. Readers of one rate get their frames at the same instants, so that each is
 * made once for all of them. A frame is sent when its reader is ready for it: a slow one gets fewer.
 */
import { Clock, Duration, Effect, Stream } from "effect"
import * as Time from "lemmings/internal/Time"
import { HerdRegistry, type ManagedHerd } from "lemmings/HerdRegistry"
import type { ScalingDecision } from "lemmings/HerdStats"
import type { TaskFailure } from "lemmings/HerdTasks"
import type { Decision, Failure } from "../model/ControlModel.ts"
import type { HerdDetail } from "../model/FrameModel.ts"
import type { Settings } from "../model/Settings.ts"
import type { Sight, Sights } from "./Sights.ts"
import { wireFailure, wireKey, wireStats, wireTask } from "./Wire.ts"

// Tasks in a frame, and characters of an error.
const shown = 20
const longest = 600

const utf8 = new TextEncoder()

const decisionOf = ({ at, by, from, paused, reason, to }: ScalingDecision): Decision => ({
  at,
  from,
  to,
  by,
  reason,
  paused
})

const cut = (failure: Failure): Failure =>
  failure.error === undefined || failure.error.length <= longest
    ? failure
    : { ...failure, error: `${failure.error.slice(0, longest)}…` }

/** The JSON of each herd's overview, and in which sight it last changed. */
class Overviews {
  readonly #herds = new Map<string, { text: string; since: number }>()
  #ids = { text: "", since: 0 }
  #queues = { text: "", since: 0 }
  #number = 0

  /** Takes a sight in, once. */
  take(sight: Sight): void {
    if (sight.number <= this.#number) return
    this.#number = sight.number
    const ids = JSON.stringify(sight.herds.map(({ id }) => id))
    if (ids !== this.#ids.text) {
      this.#ids = { text: ids, since: sight.number }
      const there = new Set(sight.herds.map(({ id }) => id))
      for (const id of this.#herds.keys()) if (!there.has(id)) this.#herds.delete(id)
    }
    const queues = JSON.stringify(sight.queues)
    if (queues !== this.#queues.text) this.#queues = { text: queues, since: sight.number }
    for (const herd of sight.herds) {
      const text = JSON.stringify(herd)
      const known = this.#herds.get(herd.id)
      if (known === undefined) this.#herds.set(herd.id, { text, since: sight.number })
      else if (known.text !== text) {
        known.text = text
        known.since = sight.number
      }
    }
  }

  /** What has changed since the sight with this number, as fields of a frame. */
  after(seen: number): string {
    const changed: Array<string> = []
    for (const { since, text } of this.#herds.values()) if (since > seen) changed.push(text)
    return (
      `"herds":[${changed.join(",")}]` +
      (this.#ids.since > seen ? `,"herdIds":${this.#ids.text}` : "") +
      (this.#queues.since > seen ? `,"queues":${this.#queues.text}` : "")
    )
  }
}

/** What a reader has seen. */
interface Seen {
  sight: number
  herd: ManagedHerd | undefined
  points: number
  decision: ScalingDecision | undefined
  failure: TaskFailure | undefined
}

/** Makes frames for those who ask. */
export const make = Effect.fnUntraced(function* (settings: Settings, sights: Sights) {
  const registry = yield* HerdRegistry
  const clock = yield* Clock.Clock
  const overviews = new Overviews()
  // Of the newest sight: its frames, by what their readers have seen.
  let number = 0
  let common = ""
  const made = new Map<string, Uint8Array>()

  const take = (sight: Sight) => {
    if (sight.number <= number) return
    number = sight.number
    made.clear()
    overviews.take(sight)
    const { exposeErrors, readOnly, service, version } = settings
    const { at, problems, process } = sight
    common = JSON.stringify({ at, service, version, readOnly, exposeErrors, process, problems }).slice(1, -1)
  }

  const detail = (id: string, herd: ManagedHerd, seen: Seen) =>
    Effect.gen(function* () {
      const past = sights.past(herd)
      const decisions = yield* herd.history
      const failures = yield* herd.failures
      const from = {
        points: seen.points,
        decision: seen.decision === undefined ? 0 : decisions.lastIndexOf(seen.decision) + 1,
        failure: seen.failure === undefined ? 0 : failures.lastIndexOf(seen.failure) + 1
      }
      seen.points = past?.total ?? 0
      seen.decision = decisions.at(-1)
      seen.failure = failures.at(-1)
      const key = `${id} ${from.points} ${from.decision} ${from.failure}`
      const make = Effect.gen(function* () {
        const limited = (yield* herd.limits) !== undefined
        // The pages are within their range.
        const page = (status: "running" | "queued") =>
          Effect.map(Effect.orDie(herd.tasks({ status, limit: shown })), ({ tasks }) =>
            tasks.map((task) => wireTask(task, settings))
          )
        const found: HerdDetail = {
          stats: wireStats(id, yield* herd.stats, settings),
          metrics: { ...(yield* herd.metrics), herd: id },
          levels: yield* herd.levels,
          running: yield* page("running"),
          waiting: yield* page("queued"),
          failures: failures.slice(from.failure).map((failure) => cut(wireFailure(failure, settings))),
          points: past?.after(from.points) ?? empty,
          decisions: decisions.slice(from.decision).map(decisionOf),
          ...(limited
            ? {
                keys: (yield* Effect.orDie(herd.keys({ top: shown }))).map((use) => wireKey(use, settings))
              }
            : {})
        }
        return JSON.stringify(found)
      })
      return { key, make }
    })

  const frame = (sight: Sight, seen: Seen, id: string | undefined) =>
    Effect.gen(function* () {
      take(sight)
      const after = seen.sight
      seen.sight = number
      const herd = id === undefined ? undefined : registry.herds().get(id)
      if (herd !== seen.herd) Object.assign(seen, nothing, { sight: number, herd })
      const open = id === undefined || herd === undefined ? undefined : yield* detail(id, herd, seen)
      const key = `${after} ${open?.key ?? ""}`
      const known = made.get(key)
      if (known !== undefined) return known
      const tail = open === undefined ? "" : `,"open":${yield* open.make}`
      const text = `event: frame\ndata: {"first":${after === 0},${common},${overviews.after(after)}${tail}}\n\n`
      const bytes = utf8.encode(text)
      made.set(key, bytes)
      return bytes
    })

  return {
    /** Frames as server-sent events for one reader, at most so many a second, with the details of a herd. */
    read: (rate: number, open: string | undefined): Stream.Stream<Uint8Array> =>
      Stream.suspend(() => {
        const seen: Seen = { ...nothing }
        let ended = false
        const next = Effect.flatMap(sights.current, (sight) => {
          ended = sight.last
          return frame(sight, seen, open)
        })
        const period = 1000 / rate
        const later = Effect.andThen(
          // All readers of a rate at the same instants.
          Effect.suspend(() => Effect.sleep(Duration.millis(period - (Time.monotonic(clock) % period)))),
          next
        )
        const all = Stream.concat(Stream.fromEffect(next), Stream.forever(Stream.fromEffect(later)))
        return Stream.takeUntil(all, () => ended)
      })
  }
})

const nothing: Seen = {
  sight: 0,
  herd: undefined,
  points: 0,
  decision: undefined,
  failure: undefined
}

const empty: HerdDetail["points"] = {
  at: [],
  arrivalRate: [],
  succeededRate: [],
  failedRate: [],
  waitP50: [],
  waitP99: [],
  runP50: [],
  runP99: [],
  oldest: [],
  size: [],
  busy: [],
  queued: []
}
