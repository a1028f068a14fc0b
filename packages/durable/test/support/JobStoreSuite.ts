import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, type Layer } from "effect"
import { randomUUID } from "node:crypto"
import { isGroupFull } from "../../src/port/Groups.ts"
import { JobStore, type ClaimedJob, type NewJob, type News } from "../../src/port/JobStore.ts"
import { keptSuite } from "./KeptSuite.ts"
import { leaseSuite } from "./LeaseSuite.ts"
import { claimOne, declared, eventually, failure, job } from "./store.ts"

/** What every store does. Its leases last a second. */
export const suite = <E>(name: string, layer: Layer.Layer<JobStore, E>, missing = false) =>
  describe.skipIf(missing)(name, () => {
    it.layer(layer, { excludeTestServices: true, timeout: 60_000 })((it) => {
      describe("enqueue", () => {
        it.effect("keeps what it is given, and says what became of it", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            const payload = { to: "a@b", nested: [1, null, { ü: "☃" }] }
            const one = job(queue, { payload, priority: 7, trace: "00-1-2-01" })
            assert.deepStrictEqual(yield* store.enqueue([one]), [])
            const waiting = yield* store.get(queue, one.id)
            assert.deepStrictEqual(
              [waiting?.state, waiting?.payload, waiting?.priority, waiting?.attempts, waiting?.endedAt],
              ["waiting", payload, 7, 0, undefined]
            )
            const claimed = yield* claimOne(queue)
            assert.deepStrictEqual(
              [claimed.id, claimed.attempt, claimed.payload, claimed.priority, claimed.trace],
              [one.id, 1, payload, 7, "00-1-2-01"]
            )
            assert.deepStrictEqual(
              yield* store.settle(queue, [{ ...claimed, _tag: "Complete", result: { ok: [1] } }]),
              []
            )
            const done = yield* store.get(queue, one.id)
            assert.deepStrictEqual([done?.state, done?.result, done?.attempts], ["completed", { ok: [1] }, 1])
            assert.isDefined(done?.endedAt)
            assert.isUndefined(yield* store.get(queue, randomUUID()))
          })
        )

        it.effect(
          "refuses what goes beyond the most that may wait of a group, and stores none of the call",
          () =>
            Effect.gen(function* () {
              const { queue, store } = yield* declared()
              const of = (group: string, count: number, delayMillis = 0) =>
                Array.from({ length: count }, () => job(queue, { group, maxInGroup: 4, delayMillis }))
              const full = (jobs: ReadonlyArray<NewJob>) =>
                Effect.gen(function* () {
                  const error = yield* Effect.flip(store.enqueue(jobs))
                  assert.deepInclude(error, { _tag: "JobStoreError", reason: "refused" })
                  assert.isTrue(isGroupFull(error.cause))
                  assert.match(error.message, /4 \(maxWaitingPerGroup\)/)
                })
              yield* full(of("a", 5))
              yield* store.enqueue([...of("a", 2), ...of("a", 1, 60_000)])
              yield* full([...of("b", 1), ...of("a", 2)])
              yield* store.enqueue(of("a", 1))
              yield* full(of("a", 1))
              // Others, and those without a group, have room.
              yield* store.enqueue([
                ...of("b", 4),
                ...Array.from({ length: 6 }, () => job(queue, { maxInGroup: 4 }))
              ])
              assert.strictEqual((yield* store.stats(queue)).waiting, 13)
              // What runs waits no longer, and what is given back waits again.
              const claims = yield* store.claim(queue, 2)
              yield* eventually(Effect.exit(store.enqueue(of("a", 2))), Exit.isSuccess)
              yield* store.settle(
                queue,
                claims.map(({ claim, id }) => ({ _tag: "Release" as const, id, claim }))
              )
              yield* full(of("a", 1))
              const { jobs } = yield* store.claimWithin(queue, 20, { perGroup: 5 })
              assert.lengthOf(jobs, 15)
              yield* eventually(Effect.exit(store.enqueue(of("a", 3))), Exit.isSuccess)
              yield* full(of("a", 1))
            })
        )

        it.effect("does not accept an id twice, also when its job has ended", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            const one = job(queue)
            const two = job(queue)
            yield* store.enqueue([one])
            assert.deepStrictEqual(yield* store.enqueue([one, two]), [one.id])
            const claimed = yield* store.claim(queue, 10)
            assert.lengthOf(claimed, 2)
            yield* store.settle(
              queue,
              claimed.map((held) => ({ ...held, _tag: "Complete" as const }))
            )
            assert.deepStrictEqual(yield* store.enqueue([one]), [one.id])
            assert.deepStrictEqual(yield* store.claim(queue, 10), [])
          })
        )

        it.effect("takes many, in several queues, as one", () =>
          Effect.gen(function* () {
            const { queue: a, store } = yield* declared()
            const { queue: b } = yield* declared()
            const jobs = Array.from({ length: 6000 }, (_, n) => job(n % 3 === 0 ? b : a, { payload: n }))
            yield* store.enqueue(jobs)
            assert.strictEqual((yield* store.stats(a)).waiting, 4000)
            assert.strictEqual((yield* store.stats(b)).waiting, 2000)
            const before = yield* store.stats(a)
            const bad = [job(a), job(`${a}-undeclared`)]
            yield* Effect.ignore(Effect.sandbox(store.enqueue(bad)))
            if (name !== "memory") assert.strictEqual((yield* store.stats(a)).waiting, before.waiting)
          })
        )

        it.effect("refuses what would keep others from being claimed, and what is not JSON", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            const bad = [
              { group: "g".repeat(3_000) },
              { group: "a\u0000" },
              { payload: "a\u0000" },
              { payload: ["x\ud83d"] },
              { payload: 1n }
            ]
            for (const over of bad) {
              const refused = yield* Effect.flip(store.enqueue([job(queue), job(queue, over)]))
              assert.strictEqual(refused.reason, "refused")
            }
            assert.deepStrictEqual(yield* store.claim(queue, 10), [])
            assert.isTrue((yield* store.readiness).ready)
          })
        )

        it.effect("keeps back what is delayed", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            const soon = job(queue, { delayMillis: 80 })
            const later = job(queue, { at: Date.now() + 3_600_000 })
            yield* store.enqueue([soon, later])
            assert.deepStrictEqual(yield* store.claim(queue, 10), [])
            assert.strictEqual((yield* store.stats(queue)).delayed, 2)
            const claimed = yield* eventually(store.claim(queue, 10), (jobs) => jobs.length > 0)
            assert.deepStrictEqual(
              claimed.map(({ id }) => id),
              [soon.id]
            )
          })
        )
      })

      describe("claim", () => {
        it.effect("gives each job once, highest priority first, then the oldest", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            for (const [n, priority] of [5, 5, 20, 0, 20].entries())
              yield* store.enqueue([job(queue, { priority, payload: n })])
            const order: Array<unknown> = []
            for (let n = 0; n < 5; n++) order.push((yield* claimOne(queue)).payload)
            assert.deepStrictEqual(order, [2, 4, 0, 1, 3])
            assert.deepStrictEqual(yield* store.claim(queue, 5), [])
          })
        )

        it.effect("gives those of one claim in their order, with what each may have of attempts", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            const priorities = [1, 5, 10, 3, 7, 5, 5]
            for (const [n, priority] of priorities.entries())
              yield* store.enqueue([job(queue, { priority, payload: n, attempts: n + 1 })])
            const together = Array.from({ length: 20 }, (_, n) =>
              job(queue, { payload: 10 + n, priority: 5 })
            )
            yield* store.enqueue(together)
            const claimed = yield* store.claim(queue, 10)
            assert.deepStrictEqual(
              claimed.map(({ attempts, payload }) => [payload, attempts]),
              [[2, 3], [4, 5], [1, 2], [5, 6], [6, 7], ...[10, 11, 12, 13, 14].map((n) => [n, 3])]
            )
            const { jobs } = yield* store.claimWithin(queue, 20, { perQueue: 100, perGroup: 100 })
            assert.deepStrictEqual(
              jobs.map(({ payload }) => payload),
              [...Array.from({ length: 15 }, (_, n) => 15 + n), 3, 0]
            )
          })
        )

        it.effect("gives different jobs to claims at one time", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            yield* store.enqueue(Array.from({ length: 100 }, () => job(queue)))
            const claims = yield* Effect.all(
              Array.from({ length: 20 }, () => store.claim(queue, 5)),
              { concurrency: "unbounded" }
            )
            const more = yield* store.claim(queue, 100)
            const ids = [...claims.flat(), ...more].map(({ id }) => id)
            assert.lengthOf(ids, 100)
            assert.strictEqual(new Set(ids).size, 100)
          })
        )

        it.effect("gives none of a paused queue", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            yield* store.enqueue([job(queue)])
            yield* store.pause(queue)
            yield* eventually(store.claim(queue, 1), (jobs) => jobs.length === 0)
            assert.isTrue((yield* store.stats(queue)).paused)
            yield* store.resume(queue)
            const claimed = yield* eventually(store.claim(queue, 1), (jobs) => jobs.length === 1)
            assert.strictEqual(claimed[0]?.attempt, 1)
            assert.isFalse((yield* store.stats(queue)).paused)
          })
        )
      })

      describe("settle", () => {
        it.effect("retries in a while, with the next attempt", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            yield* store.enqueue([job(queue)])
            const first = yield* claimOne(queue)
            yield* store.settle(queue, [{ ...first, _tag: "Retry", delayMillis: 60, failure }])
            assert.deepStrictEqual(yield* store.claim(queue, 1), [])
            const waiting = yield* store.get(queue, first.id)
            assert.deepStrictEqual([waiting?.state, waiting?.failure], ["waiting", failure])
            const [second] = yield* eventually(store.claim(queue, 1), (jobs) => jobs.length > 0)
            assert.strictEqual(second?.attempt, 2)
            assert.notStrictEqual(second?.claim, first.claim)
          })
        )

        it.effect("gives back at once, without counting the attempt, as often as it is asked", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            yield* store.enqueue([job(queue, { attempts: 1 })])
            const claims = new Set<number>()
            for (let n = 0; n < 4; n++) {
              const held = yield* claimOne(queue)
              assert.strictEqual(held.attempt, 1)
              claims.add(held.claim)
              assert.deepStrictEqual(yield* store.settle(queue, [{ ...held, _tag: "Release" }]), [])
            }
            assert.strictEqual(claims.size, 4)
            assert.strictEqual(
              (yield* store.get(queue, [...(yield* store.claim(queue, 1))][0]!.id))?.attempts,
              1
            )
          })
        )

        it.effect("discards to the dead letters, or keeps as failed", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            const { queue: quiet } = yield* declared({ deadLetter: false })
            for (const name of [queue, quiet]) {
              yield* store.enqueue([job(name, { payload: { name } })])
              const held = yield* claimOne(name)
              yield* store.settle(name, [{ ...held, _tag: "Discard", failure }])
              const failed = yield* store.get(name, held.id)
              assert.deepStrictEqual([failed?.state, failed?.failure], ["failed", failure])
            }
            const [letter, ...others] = yield* store.dead.list(queue, { limit: 10 })
            assert.lengthOf(others, 0)
            assert.deepStrictEqual(
              [letter?.queue, letter?.payload, letter?.failure, letter?.attempts],
              [queue, { name: queue }, failure, 1]
            )
            assert.lengthOf(yield* store.dead.list(quiet, { limit: 10 }), 0)
          })
        )

        it.effect("takes different ends in one batch, and each claim once", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            yield* store.enqueue(Array.from({ length: 4 }, (_, n) => job(queue, { payload: n, priority: n })))
            const held = yield* store.claim(queue, 4)
            const byPayload = [0, 1, 2, 3].map((n) => held.find(({ payload }) => payload === n)!)
            const [a, b, c, d] = byPayload as [ClaimedJob, ClaimedJob, ClaimedJob, ClaimedJob]
            const batch = [
              { ...a, _tag: "Complete" as const, result: "a" },
              { ...b, _tag: "Retry" as const, delayMillis: 0, failure },
              { ...c, _tag: "Discard" as const, failure },
              { ...d, _tag: "Release" as const }
            ]
            assert.deepStrictEqual(yield* store.settle(queue, batch), [])
            assert.deepStrictEqual(
              [...(yield* store.settle(queue, batch))].toSorted(),
              held.map(({ id }) => id).toSorted()
            )
            const states = yield* Effect.forEach(byPayload, ({ id }) => store.get(queue, id))
            assert.deepStrictEqual(
              states.map((record) => record?.state),
              ["completed", "waiting", "failed", "waiting"]
            )
          })
        )

        it.effect("lets a late answer harm no later attempt", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            yield* store.enqueue([job(queue)])
            const first = yield* claimOne(queue)
            yield* store.settle(queue, [{ ...first, _tag: "Release" }])
            const second = yield* claimOne(queue)
            for (const late of [
              { ...first, _tag: "Complete" as const },
              { ...first, _tag: "Release" as const },
              { ...first, _tag: "Discard" as const, failure }
            ])
              assert.deepStrictEqual(yield* store.settle(queue, [late]), [first.id])
            assert.deepStrictEqual(yield* store.heartbeat(queue, [first]), [first.id])
            assert.deepStrictEqual(yield* store.heartbeat(queue, [second]), [])
            assert.deepStrictEqual(yield* store.settle(queue, [{ ...second, _tag: "Complete" }]), [])
          })
        )
      })

      leaseSuite(it)

      describe("cancel and priority", () => {
        it.effect("cancels what waits and what runs, and nothing that has ended", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            const jobs = Array.from({ length: 3 }, (_, n) => job(queue, { priority: 10 - n }))
            yield* store.enqueue(jobs)
            const held = yield* store.claim(queue, 2)
            yield* store.settle(queue, [{ ...held[0]!, _tag: "Complete" }])
            assert.strictEqual(yield* store.cancel(queue, [...jobs.map(({ id }) => id), randomUUID()]), 2)
            assert.deepStrictEqual(yield* store.heartbeat(queue, [held[1]!]), [held[1]!.id])
            assert.deepStrictEqual(yield* store.claim(queue, 1), [])
            assert.strictEqual((yield* store.get(queue, held[1]!.id))?.state, "cancelled")
          })
        )

        it.effect("moves a waiting job, and no other", () =>
          Effect.gen(function* () {
            const { queue, store } = yield* declared()
            const jobs = [job(queue, { payload: "a" }), job(queue, { payload: "b" })]
            for (const one of jobs) yield* store.enqueue([one])
            assert.isTrue(yield* store.setPriority(queue, jobs[1]!.id, 10))
            const first = yield* claimOne(queue)
            assert.deepStrictEqual([first.payload, first.priority], ["b", 10])
            assert.isFalse(yield* store.setPriority(queue, first.id, 1))
            assert.isFalse(yield* store.setPriority(queue, randomUUID(), 1))
          })
        )
      })

      keptSuite(it)

      it.effect("counts", () =>
        Effect.gen(function* () {
          const { queue, store } = yield* declared()
          yield* store.enqueue([
            ...Array.from({ length: 5 }, () => job(queue)),
            job(queue, { delayMillis: 3_600_000, priority: 0 })
          ])
          const [a, b, c] = yield* store.claim(queue, 3)
          yield* store.settle(queue, [
            { ...a!, _tag: "Complete" },
            { ...b!, _tag: "Discard", failure }
          ])
          assert.isDefined(c)
          const { oldestMillis, ...stats } = yield* store.stats(queue)
          assert.isAtLeast(oldestMillis, 0)
          assert.deepStrictEqual(stats, {
            queue,
            paused: false,
            waiting: 2,
            delayed: 1,
            running: 1,
            deadLetters: 1,
            lastMinute: { completed: 1, failed: 1, cancelled: 0, attempts: 2 }
          })
        })
      )

      it.effect("tells news", () =>
        Effect.gen(function* () {
          const { queue, store } = yield* declared()
          const heard: Array<News> = []
          yield* store.listen((news) => heard.push(news))
          const has = (tag: News["_tag"]) =>
            eventually(
              Effect.sync(() =>
                heard.some((news) => news._tag === tag && "queue" in news && news.queue === queue)
              ),
              (yes) => yes
            )
          const watched = job(queue, { watched: true })
          const unwatched = job(queue)
          yield* store.enqueue([watched, unwatched])
          yield* has("Available")
          assert.strictEqual((yield* store.watch(queue, unwatched.id))?.state, "waiting")
          const held = yield* store.claim(queue, 2)
          yield* store.settle(
            queue,
            held.map((one) => ({ ...one, _tag: "Complete" as const }))
          )
          yield* eventually(
            Effect.sync(() => heard.flatMap((news) => (news._tag === "Ended" ? [news.id] : []))),
            (ids) => [watched.id, unwatched.id].every((id) => ids.includes(id))
          )
          const third = job(queue, { watched: true })
          yield* store.enqueue([third])
          yield* store.cancel(queue, [third.id])
          yield* has("Cancelled")
          yield* eventually(
            Effect.sync(() => heard.some((news) => news._tag === "Ended" && news.id === third.id)),
            (yes) => yes
          )
        })
      )

      it.effect("finds nothing under what is no id", () =>
        Effect.gen(function* () {
          const { queue, store } = yield* declared()
          yield* store.enqueue([job(queue)])
          const id = "no id'"
          assert.isUndefined(yield* store.get(queue, id))
          assert.isUndefined(yield* store.watch(queue, id))
          assert.strictEqual(yield* store.cancel(queue, [id]), 0)
          assert.isFalse(yield* store.setPriority(queue, id, 1))
          assert.deepStrictEqual(yield* store.dead.list(queue, { limit: 1, after: id }), [])
          assert.deepStrictEqual(yield* store.dead.list(queue, { limit: 1, filter: { ids: [id] } }), [])
          assert.strictEqual(yield* store.dead.replay(queue, { ids: [id] }), 0)
          assert.strictEqual(yield* store.dead.purge(queue, { ids: [id] }), 0)
          assert.strictEqual((yield* store.stats(queue)).waiting, 1)
        })
      )

      it.effect("keeps schedules by their key", () =>
        Effect.gen(function* () {
          const { queue, store } = yield* declared()
          const one = {
            queue,
            key: "a",
            cron: "0 3 * * *",
            zone: "Europe/Berlin",
            missed: "skip" as const,
            payload: { n: 1 },
            priority: 10
          }
          yield* store.schedule(one)
          yield* store.schedule({ ...one, key: "b" })
          yield* store.schedule({ ...one, cron: "5 3 * * *" })
          const a = { ...one, cron: "5 3 * * *" }
          const b = { ...one, key: "b" }
          assert.deepStrictEqual(yield* store.schedules(queue, { limit: 10 }), [a, b])
          assert.deepStrictEqual(yield* store.schedules(queue, { limit: 1 }), [a])
          assert.deepStrictEqual(yield* store.schedules(queue, { limit: 10, after: "a" }), [b])
          assert.deepStrictEqual(yield* store.schedules(queue, { limit: 10, after: "b" }), [])
          yield* store.unschedule(queue, "a")
          assert.deepStrictEqual(yield* store.schedules(queue, { limit: 10 }), [b])
        })
      )

      it.effect("is ready", () =>
        Effect.gen(function* () {
          const store = yield* JobStore
          const { ready, reason } = yield* store.readiness
          assert.deepStrictEqual([ready, reason], [true, undefined])
        })
      )
    })
  })
