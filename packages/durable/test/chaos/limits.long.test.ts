import { assert, describe, it } from "@effect/vitest"
import { missing } from "@lemmings/servers"
import { database } from "@lemmings/suite/postgres"
import { Effect, Schedule } from "effect"
import { fork } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Jobs from "../../src/Jobs.ts"
import { Limited, perQueue, rate } from "./limited.ts"

type Note = readonly [what: string, n: number, at: number]

/** What a process wrote. A last line cut off by a kill is left out. */
const read = (journal: string): Array<Note> =>
  existsSync(journal)
    ? readFileSync(journal, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => {
          const [what = "", n, at] = line.split(" ")
          return [what, Number(n), Number(at)]
        })
    : []

const numbers = (notes: ReadonlyArray<Note>, kind: string) =>
  notes.flatMap(([what, n]) => (what === kind ? [n] : []))

/** Most that ran at one time. */
const most = (notes: ReadonlyArray<Note>) => {
  const running = new Set<number>()
  let count = 0
  for (const [what, n] of notes.toSorted((x, y) => x[2] - y[2])) {
    if (what === "began") running.add(n)
    else running.delete(n)
    count = Math.max(count, running.size)
  }
  return count
}

/** Two processes that work within the same limit, on jobs that are there. */
const two = (limit: "perQueue" | "rate", jobs: number, millis: number) =>
  Effect.gen(function* () {
    const { url } = yield* database
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "lemmings-limits-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    yield* Jobs.enqueue(Array.from({ length: jobs }, (_, n) => Limited({ n, millis }))).pipe(
      Effect.provide(Jobs.layerPostgres({ url, lease: "1 second" }))
    )
    const worker = (name: string) =>
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => {
            const journal = join(directory, name)
            const script = fileURLToPath(new URL("limited.ts", import.meta.url))
            return { child: fork(script, [url, journal, limit]), read: () => read(journal) }
          }),
          ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
        ),
        ({ child, read }) => ({
          kill: Effect.promise(async () => {
            const gone = once(child, "exit")
            child.kill("SIGKILL")
            await gone
            return performance.timeOrigin + performance.now()
          }),
          read
        })
      )
    return [yield* worker("a"), yield* worker("b")] as const
  })

const until = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (is: boolean) => is, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("40 seconds")
  )

describe.skipIf(missing.postgres)("two processes that share a limit", () => {
  it.live("never run more than it says at one time, and a kill of one gives its share back", () =>
    Effect.gen(function* () {
      const total = 60
      const [a, b] = yield* two("perQueue", total, 50)
      yield* until(() => numbers([...a.read(), ...b.read()], "ended").length >= 20)
      const killedAt = yield* a.kill
      yield* until(() => new Set(numbers([...a.read(), ...b.read()], "ended")).size === total)
      // What the killed process ran ended with it.
      const open = numbers(a.read(), "began").filter((n) => !numbers(a.read(), "ended").includes(n))
      const ended = open.map((n): Note => ["ended", n, killedAt])
      assert.strictEqual(most([...a.read(), ...ended, ...b.read()]), perQueue)
      // The other one alone has all of the limit, when the leases of the killed one have lapsed.
      assert.strictEqual(most(b.read().filter(([, , at]) => at > killedAt)), perQueue)
      assert.isTrue(open.every((n) => numbers(b.read(), "ended").includes(n)))
    })
  )

  it.live("begin as many as the rate says together", () =>
    Effect.gen(function* () {
      const total = 150
      const [a, b] = yield* two("rate", total, 1)
      yield* until(() => numbers([...a.read(), ...b.read()], "ended").length === total)
      const began = [...a.read(), ...b.read()]
        .flatMap(([what, , at]) => (what === "began" ? [at] : []))
        .toSorted((x, y) => x - y)
      const seconds = (began.at(-1)! - began[0]!) / 1000
      // 50 a second after a burst of 5; a tenth for what a claim takes until its jobs begin. Two limits of their own
      // would be 100 a second.
      const perSecond = (total - rate.limit) / seconds
      assert.isAtMost(perSecond, 55)
      assert.isAtLeast(perSecond, 35)
    })
  )
})
