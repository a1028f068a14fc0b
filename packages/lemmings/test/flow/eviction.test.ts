// Forgetting a key that owes nothing changes nothing: a line that forgets, beside one that never does.
import { assert, describe, it } from "@effect/vitest"
import { mulberry } from "../internal/mulberry.ts"
import { KeyRecords } from "../../src/flow/KeyRecords.ts"
import type { LimitsOptions } from "../../src/model/Limits.ts"
import type { Criticality } from "../../src/model/Task.ts"
import { type Item, rig } from "./line.ts"

const names = Array.from({ length: 12 }, (_, index) => `key-${index}`)

/** Runs with lines that keep every record that they ever made. */
const keeping = <A>(f: () => A): A => {
  const { rests, sweep } = Object.getOwnPropertyDescriptors(KeyRecords.prototype)
  KeyRecords.prototype.rests = () => {}
  KeyRecords.prototype.sweep = () => 0
  try {
    return f()
  } finally {
    Object.defineProperties(KeyRecords.prototype, { rests, sweep })
  }
}

const scriptOf = (seed: number) => {
  const random = mulberry(seed)
  const maybe = <A>(value: A): A | undefined => (random() < 0.5 ? value : undefined)
  const rate = { limit: 1 + Math.floor(random() * 4), per: 50 + Math.floor(random() * 400) }
  const limits: LimitsOptions = {
    weight: maybe(6),
    perKey: {
      concurrency: maybe(2 + Math.floor(random() * 2)),
      ordered: random() < 0.2,
      share: (key) => 1 + (key.charCodeAt(4) % 3),
      rate: maybe(random() < 0.5 ? { ...rate, burst: 2 } : { ...rate, limit: 2, window: "sliding" as const })
    }
  }
  const fair = random() < 0.8
  const overload = maybe({ after: 40, maxWait: 30, order: "oldestFirst" as const })
  return { random, limits, order: fair ? ("fair" as const) : ("arrival" as const), overload }
}

/** Runs the same script on a line, and writes down everything that can be seen of it. */
const run = (seed: number): { readonly log: string; readonly size: number } => {
  const { limits, order, overload, random } = scriptOf(seed)
  const cost = random() < 0.3 ? "time" : "weight"
  const self = rig({ limits, order, cost, expected: () => 5, overload })
  const { flow } = self.line
  const running: Array<Item> = []
  const waiting: Array<Item> = []
  const log: Array<string> = []
  const criticalities: ReadonlyArray<Criticality> = ["sheddable", "normal", "critical"]
  for (let step = 0; step < 600; step++) {
    // Mostly a few keys at a time, and pauses in which records go.
    self.now += random() < 0.02 ? 1_500 : Math.floor(random() * 15)
    const key = names[(Math.floor(step / 60) + Math.floor(random() * 4)) % names.length]!
    const dice = random()
    const index = Math.floor(random() * 8)
    if (dice < 0.45) {
      const item = self.add({
        key,
        level: Math.floor(random() * 2),
        weight: random() < 0.8 ? 1 : 2,
        criticality: criticalities[Math.floor(random() * 3)]!
      })
      log.push(`${step} add ${item.slot >= 0}`)
      if (item.slot >= 0) waiting.push(item)
    } else if (dice < 0.5 && waiting[index] !== undefined) {
      const item = waiting[index]
      log.push(`${step} leaves ${self.line.remove(item)}`)
      flow.ended(item, self.now)
    } else if (dice < 0.75 && running[index] !== undefined) {
      self.end(running[index])
      running.splice(index, 1)
    } else if (dice < 0.78) {
      // By hand, or by the failure of one that runs.
      const failed = running[index]
      if (failed === undefined) flow.hold(key, 100, self.now)
      else flow.hold(failed.key, 100, self.now, self.seats.get(failed))
    } else if (dice < 0.79) log.push(`${step} release ${flow.release(key, self.now)}`)
    const [started] = random() < 0.6 ? self.start(1) : []
    if (started !== undefined) {
      running.push(started)
      log.push(`${step} starts ${started.sequence}`)
    }
    for (let at = waiting.length - 1; at >= 0; at--) if (waiting[at]!.slot < 0) waiting.splice(at, 1)
    log.push(`${step} ${flow.ready(self.now)} ${flow.held(self.now)} ${Math.ceil(flow.wakesAt(self.now))}`)
  }
  return { log: log.join("\n"), size: flow.size() }
}

describe("a line that forgets keys", () => {
  it("starts, holds, refuses and wakes as one that never does", () => {
    let forgot = 0
    let kept = 0
    for (let seed = 1; seed <= 150; seed++) {
      const forgetful = run(seed)
      const faithful = keeping(() => run(seed))
      assert.strictEqual(forgetful.log, faithful.log, `seed ${seed}`)
      forgot += forgetful.size
      kept += faithful.size
    }
    // There was something to forget.
    assert.isAbove(kept - forgot, 300)
  })
})
