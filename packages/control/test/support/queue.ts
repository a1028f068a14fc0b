/**
 * A queue of jobs as a store would have it, in memory, whose store can be taken away.
 */
import { Effect } from "effect"
import { type LetterFilter, type ManagedQueue, QueueRegistry, QueueUnavailable } from "lemmings/QueueRegistry"

type Letter = Effect.Success<ReturnType<ManagedQueue["deadLetters"]["list"]>>[number]

interface FakeQueue {
  readonly letters: Array<Letter>
  /** What was asked, in order. */
  readonly asked: Array<string>
  store: "there" | "away" | "silent"
  /** Since when it is so. */
  since: number
}

const letter = (n: number): Letter => ({
  id: `letter-${n}`,
  jobId: `job-${n}`,
  reason: "failed",
  attempts: 5,
  enqueuedAt: n,
  diedAt: 1_000 + n,
  error: `no such mailbox ${n}`,
  payload: { to: `user${n}@example.com` }
})

/** Registers a queue with so many dead letters until the scope closes. */
export const queue = (id: string, dead: number) =>
  Effect.gen(function* () {
    const registry = yield* QueueRegistry
    const fake: FakeQueue = {
      letters: Array.from({ length: dead }, (_, i) => letter(i + 1)),
      asked: [],
      store: "there",
      since: 0
    }
    let paused = false
    const ask = <A>(what: string, f: () => A): Effect.Effect<A, QueueUnavailable> =>
      Effect.suspend(() => {
        if (fake.store === "silent") return Effect.never
        if (fake.store === "away")
          return Effect.fail(new QueueUnavailable({ queue: id, cause: new Error("refused") }))
        fake.asked.push(what)
        return Effect.succeed(f())
      })
    const take = (which: LetterFilter | "all") => {
      const { diedBefore = Infinity, ids }: LetterFilter = which === "all" ? {} : which
      const taken = fake.letters.filter(
        (one) => (ids === undefined || ids.includes(one.id)) && one.diedAt < diedBefore
      )
      for (const one of taken) fake.letters.splice(fake.letters.indexOf(one), 1)
      return taken.length
    }
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        registry.add({
          id,
          store: "postgres",
          readiness: Effect.sync(() => ({
            ready: fake.store === "there",
            since: fake.since,
            reason: fake.store === "there" ? undefined : "refused"
          })),
          stats: ask("stats", () => ({
            paused,
            waiting: 12_345,
            delayed: 3,
            running: 4,
            deadLetters: fake.letters.length,
            oldestMillis: 61_000,
            lastMinute: { completed: 600, failed: 2, cancelled: 1, attempts: 640 }
          })),
          pause: ask("pause", () => {
            paused = true
          }),
          resume: ask("resume", () => {
            paused = false
          }),
          job: (job) =>
            ask(`job ${job}`, () =>
              job === "known"
                ? {
                    id: job,
                    state: "running" as const,
                    attempts: 2,
                    priority: 5,
                    createdAt: 1,
                    startAt: 1,
                    reason: "failed",
                    error: "secret error",
                    payload: "secret payload"
                  }
                : undefined
            ),
          cancel: (job) => ask(`cancel ${job}`, () => job === "known"),
          deadLetters: {
            list: ({ after, ids, limit }) =>
              ask("list", () => {
                const from = after === undefined ? 0 : fake.letters.findIndex(({ id }) => id === after) + 1
                return fake.letters
                  .slice(from)
                  .filter((one) => ids === undefined || ids.includes(one.id))
                  .slice(0, limit)
              }),
            replay: (filter) => ask(`replay ${JSON.stringify(filter)}`, () => take(filter)),
            purge: (filter) => ask(`purge ${JSON.stringify(filter)}`, () => take(filter))
          }
        })
      ),
      (remove) => Effect.sync(remove)
    )
    return fake
  })
