/**
 * The last events of a herd, numbered, for readers that come and go. A reader that is slow, or comes back too late, misses
 * some and is told how many; the herd waits for nobody.
 */
import { Clock, Duration, Effect, RcMap, type Scope, Stream } from "effect"
import type { HerdEvent } from "lemmings/HerdEvent"
import * as Waits from "lemmings/internal/Waits"
import { HerdRegistry, type ManagedHerd } from "lemmings/HerdRegistry"
import type { LoggedEvent } from "../model/ControlModel.ts"
import type { Settings } from "../model/Settings.ts"
import { wireEvent } from "./Wire.ts"

// Events a reader gets at once, and how often at most: what a busy herd says would otherwise be a load of its own.
const batch = 512
const pace = Duration.millis(50)
// A silent connection is told this often that it is still there.
const heartbeat = Duration.seconds(15)
// How long events are kept for readers that went away.
const linger = Duration.minutes(1)

/** The last events of one herd. Synchronous. */
export interface EventLog {
  /** Names this log among all that were ever made. */
  readonly epoch: string
  /** The number that the next event will get. They count from 0. */
  readonly next: () => number
  /** The number of the oldest event that is kept. */
  readonly oldest: () => number
  readonly add: (event: HerdEvent) => void
  readonly get: (number: number) => HerdEvent
  readonly ended: () => boolean
  /** Waits until there is an event with this number, or no more will come. */
  readonly until: (number: number) => Effect.Effect<void>
}

/** Creates a log that keeps this many events. */
export const make = (epoch: string, capacity: number): EventLog => {
  const kept: Array<HerdEvent> = []
  let next = 0
  let ended = false
  const waits = Waits.make()
  return {
    epoch,
    next: () => next,
    oldest: () => Math.max(0, next - capacity),
    add: (event) => {
      kept[next % capacity] = event
      next++
      if (event._tag === "StateChanged" && event.state === "closed") ended = true
      waits.check()
    },
    get: (number) => kept[number % capacity]!,
    ended: () => ended,
    until: (number) => waits.until(() => next > number || ended)
  }
}

/** Where a reader goes on, and what it has missed already. */
const resume = (log: EventLog, lastId: string | undefined): { from: number; missed: number | null } => {
  if (lastId === undefined) return { from: log.next(), missed: 0 }
  const [, epoch, digits] = /^(\w+)-(\d+)$/.exec(lastId) ?? []
  const after = Number(digits) + 1
  if (epoch !== log.epoch || !(after <= log.next())) return { from: log.oldest(), missed: null }
  return { from: after, missed: 0 }
}

/** Server-sent events from a log, as text: what comes from now on, or after the event with the given id. */
export const read = (
  log: EventLog,
  herd: string,
  settings: Settings,
  lastId: string | undefined
): Stream.Stream<string> => {
  const line = (id: number, event: LoggedEvent) =>
    `${id < 0 ? "" : `id: ${log.epoch}-${id}\n`}event: ${event._tag}\ndata: ${JSON.stringify(event)}\n\n`
  const missed = (id: number, events: number | null): Effect.Effect<string> =>
    Effect.map(Clock.currentTimeMillis, (at) => line(id, { _tag: "Missed", herd, at, events }))

  return Stream.unwrap(
    Effect.sync(() => {
      const start = resume(log, lastId)
      let cursor = start.from
      let lost = start.missed
      const next = Effect.gen(function* () {
        if (cursor >= log.next() && lost !== null) {
          if (log.ended()) return undefined
          const waited = yield* Effect.timeoutOption(log.until(cursor), heartbeat)
          if (waited._tag === "None") return ": still here\n\n"
        }
        let text = ""
        const behind = log.oldest() - cursor
        if (behind > 0) {
          cursor = log.oldest()
          if (lost !== null) lost += behind
        }
        if (lost !== 0) text += yield* missed(cursor - 1, lost)
        lost = 0
        const end = Math.min(log.next(), cursor + batch)
        for (; cursor < end; cursor++) text += line(cursor, wireEvent(log.get(cursor), herd, settings))
        return text
      })
      const paced = Stream.fromEffect(Effect.delay(next, pace)).pipe(Stream.forever)
      // The head of the answer goes out at once, so that the reader knows that it is connected.
      return Stream.concat(
        Stream.make(": connected\n\n"),
        Stream.takeWhile(paced, (text): text is string => text !== undefined)
      )
    })
  )
}

/** The logs of all herds, each kept while somebody reads it and for a minute after. */
export const makeAll = Effect.fnUntraced(function* (settings: Settings) {
  const registry = yield* HerdRegistry
  const logs = yield* RcMap.make({
    lookup: (name: string) =>
      Effect.gen(function* () {
        const herd = registry.herds().get(name)
        const started = yield* Clock.currentTimeMillis
        const log = make(started.toString(36), settings.eventBuffer)
        if (herd !== undefined) yield* herd.listen(log.add)
        return { herd, log }
      }),
    idleTimeToLive: linger
  })
  return {
    /** The log of a herd, until the scope closes. */
    get: (name: string, herd: ManagedHerd): Effect.Effect<EventLog, never, Scope.Scope> =>
      Effect.gen(function* () {
        const found = yield* RcMap.get(logs, name)
        if (found.herd === herd) return found.log
        // Another herd had this name.
        yield* RcMap.invalidate(logs, name)
        return (yield* RcMap.get(logs, name)).log
      })
  }
})
