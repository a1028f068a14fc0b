/** What the herd is doing, while it does it, and why it grew or shrank. */
import { columns, joined, wrap } from "@lemmings/examples-usage"
import { Clock, Console, Effect, Stream } from "effect"
import type { HerdEvent, HerdMetrics, HerdStats, ScalingDecision } from "lemmings"
import logUpdate from "log-update"
import { BurstHerd } from "./BurstHerd.ts"

/** What the view adds up. */
export interface Watched {
  workerSeconds: number
  readonly decisions: Array<ScalingDecision>
}

const frameMillis = 100

/** Shows the herd for ever, until interrupted: a line rewritten in place on a terminal, and one a second elsewhere. */
export const watch = Effect.fnUntraced(function* (watched: Watched, inPlace: boolean) {
  const herd = yield* BurstHerd
  const started = yield* Clock.currentTimeMillis
  /** When it was, and what, in as many lines as that takes. */
  const stamped = (at: number, text: (most: number) => string) => {
    const seconds = `${((at - started) / 1000).toFixed(1).padStart(5)} s  `
    return seconds + text(columns() - seconds.length).replaceAll("\n", `\n${" ".repeat(seconds.length)}`)
  }
  const print = (text: string) => (inPlace ? Effect.sync(() => logUpdate.persist(text)) : Console.log(text))

  const explain = (event: HerdEvent) => {
    if (event._tag !== "Resized") return Effect.void
    watched.decisions.push(event)
    return print(stamped(event.at, (most) => wrap(explained(event), most)))
  }
  yield* Effect.forkChild(Stream.runForEach(herd.events, explain), { startImmediately: true })

  let frames = 0
  let before = started
  const frame = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const stats = yield* herd.stats
    watched.workerSeconds += (stats.workers.size * (now - before)) / 1000
    before = now
    if (!inPlace && frames++ % (1000 / frameMillis) !== 0) return
    const metrics = yield* herd.metrics
    const text = stamped(now, (most) => line(stats, metrics, most))
    yield* inPlace ? Effect.sync(() => logUpdate(text)) : Console.log(text)
  })
  // What ends at the moment of a frame is shown at its end.
  const last = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    now > before && !inPlace ? frame : Effect.void
  )
  return yield* Effect.andThen(frame, Effect.sleep(frameMillis)).pipe(
    Effect.forever,
    Effect.ensuring(last),
    Effect.ensuring(inPlace ? Effect.sync(() => logUpdate.clear()) : Effect.void)
  )
})

/** A change of the number of workers, in a line. */
const explained = ({ by, from, reason, to }: ScalingDecision): string =>
  `${to > from ? "+" : "-"} ${from} -> ${to} workers, ${by}: ${reason}`

const line = ({ queue, workers }: HerdStats, { arrivalRate, wait }: HerdMetrics, most: number): string => {
  const { busy, idle, starting } = workers
  const figures = [
    `${busy} busy, ${idle} idle, ${starting} starting · ${queue.depth} waiting`,
    `${Math.round(arrivalRate)}/s · wait p95 ${Math.round(wait.p95)} ms`
  ]
  return joined([bar(workers), joined(figures, " · ", most)].join("\n").split("\n"), " ", most)
}

/** A cell for each worker that there may be. */
const bar = ({ busy, idle, max, starting }: HerdStats["workers"]): string =>
  ("█".repeat(busy) + "░".repeat(idle) + "+".repeat(starting)).padEnd(max, "·")
