/** Herds under loads that change: their number of workers settles. */
import { assert, it } from "@effect/vitest"
import { Clock, Context, Effect, Layer, Logger, Random } from "effect"
import { Herd, type HerdEvent } from "../../src/index.ts"
import { forEverySeed } from "../../src/testing/index.ts"
import { conserved, listen, start } from "../promises/support.ts"

class Link extends Context.Service<Link, { readonly id: number }>()("test/Link") {}
class Links extends Herd.Service<Links>()("test/Links", { resource: Link }) {}

export type Options = Herd.CommonOptions<"suspend"> & Partial<Herd.ResourceOptions<Link["Service"]>>

export const closing = { drain: 0, interrupt: 0, destroy: 0 } as const

export const owning = (options: Options = {}) =>
  Effect.suspend(() => {
    let id = 0
    const onCreate = Effect.sync(() => ({ id: ++id }))
    return Effect.map(
      Layer.build(Links.layer({ onCreate, shutdown: closing, ...options })),
      Context.get(Links)
    )
  })

export const free = (options: Options = {}) => start({ scaling: "auto", ...options })

type Decision = Extract<HerdEvent, { readonly _tag: "Resized" }>
export const decisions = (events: ReadonlyArray<HerdEvent>): Array<Decision> =>
  events.filter((event) => event._tag === "Resized")

/** Every line of the log that a herd writes about its workers, at any level. */
const collectSizes = (lines: Array<string>) =>
  Logger.layer([
    Logger.make(({ message }) => {
      const line = Array.isArray(message) ? String(message[0]) : String(message)
      if (line.includes(" workers, ")) lines.push(line)
    })
  ])

/** How often the number of workers fell and then rose again. */
const reversals = (changes: ReadonlyArray<Decision>): number => {
  let turns = 0
  let falling = false
  for (const { from, to } of changes) {
    if (to > from && falling) turns++
    if (to !== from) falling = to < from
  }
  return turns
}

const herds = {
  "workers that own nothing": (options: Options) => free(options),
  "workers that own a resource": (options: Options) =>
    owning({ ...options, onCreate: Effect.delay(Effect.succeed({ id: 0 }), "150 millis") }),
  "a policy that follows the longest wait": (options: Options) => owning({ ...options, scaling: "latency" })
}
/** Three loads for each seed, steady for two minutes each but for their randomness. */
export const settling = (seeds: number): void => {
  for (const [name, build] of Object.entries(herds)) {
    it.effect(`with ${name}: no reversal storm, no busy worker removed, every change told, back to min`, () =>
      forEverySeed(seeds, () =>
        Effect.gen(function* () {
          const lines: Array<string> = []
          const herd = yield* build({ workers: { min: 2, max: 40 } }).pipe(
            Effect.provide(collectSizes(lines))
          )
          const events = yield* listen(herd)
          const check = Effect.map(herd.stats, (stats) => {
            conserved(stats)
            const { base, busy, max, min, size, target } = stats.workers
            assert.strictEqual(busy, stats.tasks.running, "nobody who runs a task is on the way out")
            assert.isTrue(min <= target && target <= max, "the policy keeps to the bounds")
            assert.strictEqual(base, Math.min(size, min))
          })

          // Three loads, each steady for two minutes but for its randomness.
          for (const perSecond of [20, 60, 8]) {
            const until = (yield* Clock.currentTimeMillis) + 120_000
            while ((yield* Clock.currentTimeMillis) < until) {
              yield* Effect.sleep((-Math.log(1 - (yield* Random.next)) * 1000) / perSecond)
              const millis = 50 + 200 * (yield* Random.next)
              yield* herd.submit(Effect.ensuring(Effect.sleep(millis), check))
              yield* check
            }
          }
          const loads = decisions(events)
          yield* herd.awaitIdle
          yield* Effect.sleep("5 minutes")

          const { queue, workers } = yield* herd.stats
          assert.deepStrictEqual([workers.size, workers.target, queue.depth], [2, 2, 0], "back to min")
          assert.isAtMost(reversals(loads), 36, "no more than one in ten seconds")
          assert.isAtLeast(workers.peak, 9, "it has grown to what was asked of it")

          const changes = decisions(events)
          for (const [i, { by, from, paused, reason, sample, to }] of changes.entries()) {
            assert.isAbove(reason.length, 5)
            assert.isFalse(paused)
            assert.notStrictEqual(from, to)
            assert.strictEqual(from, changes[i - 1]?.to ?? 2, "each goes on where the last one ended")
            if (by !== "upkeep") assert.isAtLeast(to, sample?.workers.busy ?? Infinity, "no busy worker")
          }
          const history = yield* herd.history
          const [beginning, ...rest] = changes.length < 100 ? history : [undefined, ...history]
          if (beginning !== undefined) assert.deepInclude(beginning, { from: 0, to: 2, by: "start" })
          assert.deepStrictEqual(
            rest,
            changes.slice(-rest.length).map((change) => {
              const { _tag, herd, ...decision } = change
              assert.deepStrictEqual([_tag, herd], ["Resized", change.herd])
              return decision
            })
          )
          // Changes of workers that own nothing are for those who debug.
          if (name !== "workers that own nothing") {
            const told = changes.map(
              ({ by, from, reason, to }) => `${from} -> ${to} workers, ${by}: ${reason}`
            )
            assert.deepStrictEqual(
              lines.map((line) => line.replace("herd test/Links: ", "")),
              told
            )
          }
        }).pipe(Effect.scoped)
      )
    )
  }
}
