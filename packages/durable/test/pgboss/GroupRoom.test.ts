import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { GroupRoom } from "../../src/pgboss/GroupRoom.ts"
import { job } from "../support/store.ts"

/** A store where so many of each group wait, and who counted how often. */
const make = (maxInGroup: number) => {
  let now = 0
  let waiting = 0
  let counts = 0
  const room = new GroupRoom(() => now)
  const put = (jobs: number, group = "g") =>
    Effect.promise(async () => {
      const given = Array.from({ length: jobs }, () => job("queue", { group, maxInGroup }))
      await room.check(given, async (groups) => {
        counts += groups.length
        return groups.map(({ most }) => Math.min(most, waiting))
      })
      waiting += jobs
    }).pipe(Effect.exit, Effect.map(Exit.isSuccess))
  return {
    put,
    pass: (millis: number) => (now += millis),
    leave: (jobs: number) => (waiting -= jobs),
    seen: () => ({ waiting, counts })
  }
}

describe("the room of a group", () => {
  it.effect("is not counted for every job that comes", () =>
    Effect.gen(function* () {
      const { pass, put, seen } = make(100_000)
      for (let n = 0; n < 5_000; n++) {
        assert.isTrue(yield* put(1))
        pass(1)
      }
      assert.isAtMost(seen().counts, 6)
    })
  )

  it.effect(
    "is never passed by one process, however near it is, and is found again when some have left",
    () =>
      Effect.gen(function* () {
        const { leave, pass, put, seen } = make(100)
        let accepted = 0
        for (let n = 0; n < 150; n++) if (yield* put(1)) accepted++
        assert.strictEqual(accepted, 100)
        assert.isFalse(yield* put(1))
        // One that is full is not counted for everybody who asks.
        const { counts } = seen()
        for (let n = 0; n < 50; n++) assert.isFalse(yield* put(1))
        assert.strictEqual(seen().counts, counts)
        leave(1)
        pass(100)
        assert.isFalse(yield* put(2))
        assert.isTrue(yield* put(1))
        assert.strictEqual(seen().waiting, 100)
      })
  )
})
