import { assert, describe, it } from "@effect/vitest"
import { Lookout } from "../../src/thread/Lookout.ts"
import { Shared } from "../../src/wire/Wire.ts"

/** A thread whose clock goes on by a microsecond with each reading, and whose next message comes at a time. */
const open = () => {
  const states = new Int32Array(Shared.size)
  let now = 0
  let comesAt = Infinity
  const lookout = new Lookout(states, () => {
    now += 0.001
    if (now >= comesAt) {
      comesAt = Infinity
      Atomics.add(states, Shared.posted, 1)
    }
    return now
  })
  /** A message that wakes the thread, so long after it has gone to rest. */
  const woken = (afterMillis: number) => {
    lookout.rests()
    now += afterMillis
    Atomics.add(states, Shared.posted, 1)
    lookout.woken()
    lookout.took()
  }
  const look = (inMillis: number) => {
    const from = now
    comesAt = now + inMillis
    const found = lookout.look()
    if (found) lookout.took()
    comesAt = Infinity
    return { found, millis: now - from }
  }
  return { look, woken, looked: () => (states[Shared.looked] ?? 0) / 1000 }
}

const soon = 0.02
const late = 1

describe("a thread's look for its next message", () => {
  it("is not taken before a message came soon after the thread had gone to rest", () => {
    const { look, looked, woken } = open()
    woken(late)
    assert.deepStrictEqual(look(soon), { found: false, millis: 0 })
    woken(soon)
    assert.isTrue(look(soon).found)
    assert.closeTo(looked(), soon, 0.003)
  })

  it("goes on for as long as it finds something in 50 microseconds", () => {
    const { look, woken } = open()
    woken(soon)
    for (let i = 0; i < 100; i++) assert.isTrue(look(0.04).found)
  })

  it("in vain takes 50 microseconds, and there is no other before 16 messages have come soon", () => {
    const { look, looked, woken } = open()
    woken(soon)
    const missed = look(late)
    assert.isFalse(missed.found)
    assert.closeTo(missed.millis, 0.05, 0.003)
    assert.closeTo(looked(), 0.05, 0.003)
    for (let i = 0; i < 16; i++) {
      assert.deepStrictEqual(look(soon), { found: false, millis: 0 })
      woken(late)
      woken(soon)
    }
    assert.isTrue(look(soon).found)
  })
})
