/** Looks at all herds and queues, for all who want to see them: an overview of each, and what is wrong. */
import { Clock, Effect, Fiber, Schedule, type Scope } from "effect"
import * as Shared from "lemmings/internal/Shared"
import * as Time from "lemmings/internal/Time"
import { HerdRegistry, type ManagedHerd } from "lemmings/HerdRegistry"
import type { HerdStats } from "lemmings/HerdStats"
import type { KeyUse } from "lemmings/HerdFlow"
import { type Told, Watch, worstFirst } from "../conditions/Watch.ts"
import type { ProcessFrame, QueueSnapshot } from "../model/ControlModel.ts"
import type { HerdOverview } from "../model/FrameModel.ts"
import type { Problem } from "../model/Problem.ts"
import type { Settings } from "../model/Settings.ts"
import { Past } from "./Past.ts"
import * as ProcessMetrics from "./ProcessMetrics.ts"
import * as Queues from "./Queues.ts"
import { text } from "./Wire.ts"

// Milliseconds that a look is for everybody.
const fresh = 50
// What was read of stores longer ago, in milliseconds, is waited for; and for how long.
const outdated = 5_000
const patience = "250 millis"
// Characters of an error in a problem.
const longest = 300

/** Everything at one instant, for all readers. */
export interface Sight {
  /** Counts sights. */
  readonly number: number
  readonly at: number
  readonly process: ProcessFrame
  readonly problems: ReadonlyArray<Problem>
  readonly herds: ReadonlyArray<HerdOverview>
  readonly queues: ReadonlyArray<QueueSnapshot>
  /** Whether nothing more will happen. */
  readonly last: boolean
}

const rough = (n: number): number => (n === 0 ? 0 : Number(n.toPrecision(3)))

const overview = (id: string, stats: HerdStats, past: Past): HerdOverview => {
  const { queue, scaling, tasks, workers } = stats
  const { failedRate, failureRate, succeededRate } = past.metrics
  return {
    id,
    state: stats.state,
    paused: stats.paused || scaling.paused,
    pinned: scaling.pinned,
    policy: scaling.policy,
    size: workers.size,
    busy: workers.busy,
    starting: workers.starting,
    min: workers.min,
    max: workers.max,
    waiting: queue.depth,
    held: tasks.held,
    oldestMillis: Math.round(queue.oldestMillis / 100) * 100,
    succeededRate: rough(succeededRate),
    failedRate: rough(failedRate),
    failureRate: rough(failureRate),
    spark: past.spark()
  }
}

const line = (error: string): string => (error.split("\n")[0] ?? "").slice(0, longest)

/** The error that most of the last failures have. */
const mostFrequent = (errors: ReadonlyArray<string>): string | undefined => {
  const counts = new Map<string, number>()
  for (const error of errors) counts.set(error, (counts.get(error) ?? 0) + 1)
  const [first] = [...counts].toSorted((a, b) => b[1] - a[1])
  return first === undefined ? undefined : `${first[0]}${first[1] > 1 ? ` (${first[1]}×)` : ""}`
}

/** What a herd was like when it was looked at last. */
interface Known {
  readonly herd: ManagedHerd
  readonly past: Past
  keys: ReadonlyArray<KeyUse>
}

export interface Sights {
  /** One sight for all who ask at about the same time. */
  readonly current: Effect.Effect<Sight>
  /** The past of a herd. */
  readonly past: (herd: ManagedHerd) => Past | undefined
}

/** Looks once a second, until the scope closes, and when somebody asks. */
export const make = Effect.fnUntraced(function* (
  settings: Settings
): Effect.fn.Return<Sights, never, Scope.Scope> {
  const registry = yield* HerdRegistry
  const process = yield* ProcessMetrics.readings
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const known = new WeakMap<ManagedHerd, Known>()
  const watch = new Watch()
  const monotonic = () => Time.monotonic(clock)

  const knownOf = (herd: ManagedHerd) =>
    Effect.suspend(() => {
      const found = known.get(herd)
      if (found !== undefined) return Effect.succeed(found)
      return Effect.map(herd.metrics, (metrics) => {
        const made: Known = { herd, past: new Past(metrics), keys: [] }
        known.set(herd, made)
        return made
      })
    })

  yield* Effect.gen(function* () {
    for (const [id, herd] of registry.herds()) {
      const one = yield* knownOf(herd)
      const stats = yield* herd.stats
      one.past.add(clock.currentTimeMillisUnsafe(), stats, yield* herd.metrics)
      // Only where tasks wait for a limit: it costs a look at each key.
      one.keys = stats.tasks.held > 0 ? yield* Effect.orDie(herd.keys({ top: 20 })) : []
      watch.herd(
        id,
        { stats, metrics: one.past.metrics, keys: one.keys },
        monotonic(),
        clock.currentTimeMillisUnsafe()
      )
    }
  }).pipe(
    // One herd that cannot be looked at does not end the looking.
    Effect.catchCause((cause) => Effect.logWarning("control: a sample of the herds failed", cause)),
    Effect.repeat(Schedule.fixed("1 second")),
    Effect.forkScoped
  )

  // Asked for while somebody looks, once a second for all who do, and hardly waited for: a store may be away.
  let queues: ReadonlyArray<QueueSnapshot> = []
  let askedAt = -Infinity
  const askQueues = Effect.suspend(() => {
    const now = monotonic()
    const old = now - askedAt
    if (old < 1000) return Effect.void
    askedAt = now
    const ask = Effect.map(Queues.snapshots(settings), (next) => {
      queues = next
    })
    const told = Effect.catchCause(ask, (cause) =>
      Effect.logWarning("control: a look at the queues failed", cause)
    )
    // Who looks first should not be shown what was there when somebody looked last.
    return Effect.flatMap(Effect.forkIn(told, scope), (asking) =>
      old < outdated ? Effect.void : Effect.asVoid(Effect.timeoutOption(Fiber.await(asking), patience))
    )
  })

  /** The errors that belong to what is told, where they may be seen. */
  const explained = ({ error, ...told }: Told, herd: ManagedHerd | undefined) =>
    Effect.gen(function* () {
      if (error === undefined || !settings.exposeErrors) return told
      if (error === "store") {
        const reason = queues.find(({ queue }) => queue === told.subject.id)?.reason
        return reason === undefined ? told : { ...told, error: line(reason) }
      }
      if (herd === undefined) return told
      if (error === "create") {
        const { lastCreateError } = (yield* herd.stats).resources
        return lastCreateError === undefined ? told : { ...told, error: line(text(lastCreateError)) }
      }
      const found = mostFrequent((yield* herd.failures).map(({ cause }) => line(text(cause))))
      return found === undefined ? told : { ...told, error: found }
    })

  let number = 0
  const read = process.reader()
  const look = Effect.gen(function* () {
    yield* askQueues
    const at = clock.currentTimeMillisUnsafe()
    const now = monotonic()
    const herds: Array<HerdOverview> = []
    const told: Array<Told> = []
    const all = registry.herds()
    let closed = true
    for (const [id, herd] of all) {
      const one = yield* knownOf(herd)
      const stats = yield* herd.stats
      herds.push(overview(id, stats, one.past))
      told.push(...watch.herd(id, { stats, metrics: one.past.metrics, keys: one.keys }, now, at))
      if (stats.state !== "closed") closed = false
    }
    for (const { queue, ...rest } of queues) told.push(...watch.queue(queue, rest, now, at))
    const reading = read()
    told.push(...watch.process(reading, now, at))
    watch.keep(new Set(all.keys()), new Set(queues.map(({ queue }) => queue)))
    const problems: Array<Problem> = []
    for (const one of worstFirst(told))
      problems.push(yield* explained(one, one.subject.kind === "herd" ? all.get(one.subject.id) : undefined))
    // Nothing more will happen in a process that ends.
    const last = registry.stopping() && closed
    return { number: ++number, at, process: reading, problems, herds, queues, last } satisfies Sight
  })
  return { current: yield* Shared.make(look, fresh), past: (herd) => known.get(herd)?.past }
})
