import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import type { Frame, Point } from "../../src/model/ControlModel.ts"
import * as model from "../src/model.ts"

const point = (at: number): Point => ({
  at,
  arrivalRate: 1,
  endedRate: 1,
  failureRate: 0,
  waitP50: 1,
  waitP95: 1,
  waitP99: 1,
  runP50: 1,
  runP95: 1,
  runP99: 1,
  size: 1,
  busy: 1,
  queued: 0
})

const frame = (points: ReadonlyArray<Point>): Frame =>
  ({
    at: 1,
    readOnly: false,
    process: {},
    herds: [{ stats: { herd: "app/Db" }, points, decisions: [] }],
    queues: []
  }) as unknown as Frame

describe("merge", () => {
  it("adds what is new, replaces everything with a first frame, and keeps ten minutes", () => {
    let view = model.merge(undefined, frame([point(1), point(2)]), true)
    view = model.merge(view, frame([point(3)]), false)
    assert.deepStrictEqual(
      view.herds[0]?.points.map(({ at }) => at),
      [1, 2, 3]
    )
    view = model.merge(view, frame([point(9)]), true)
    assert.strictEqual(view.herds[0]?.points.length, 1)
    for (let at = 0; at < 1000; at++) view = model.merge(view, frame([point(at)]), false)
    assert.strictEqual(view.herds[0]?.points.length, model.mostPoints)
    assert.strictEqual(view.herds[0]?.points.at(-1)?.at, 999)
  })

  it("forgets herds that are gone", () => {
    const view = model.merge(undefined, frame([]), true)
    assert.deepStrictEqual(model.merge(view, { ...frame([]), herds: [] }, false).herds, [])
  })
})

describe("figures", () => {
  const int = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5000 }))
  it.prop(
    "every state that has a worker has a figure, and all fit",
    { busy: int, idle: int, starting: int, stopping: int, min: int },
    (counts) => {
      const { all, each } = model.figures(counts as never)
      assert.isAtMost(all.length, model.mostFigures + 4)
      for (const state of ["busy", "idle", "starting", "stopping"] as const) {
        assert.strictEqual(
          all.some((figure) => figure.state === state),
          counts[state] > 0
        )
      }
      if (each === 1) {
        const total = counts.busy + counts.idle + counts.starting + counts.stopping
        assert.strictEqual(all.filter(({ burst }) => burst).length, Math.max(0, total - counts.min))
      }
    }
  )
})

describe("words", () => {
  it("say durations, sizes and priorities as people do", () => {
    assert.deepStrictEqual([0, 0.25, 7, 250, 1500, 61_000, 3_700_000, 3e8].map(model.millis), [
      "0 ms",
      "0.25 ms",
      "7.0 ms",
      "250 ms",
      "1.5 s",
      "1 min 1 s",
      "1 h 1 min",
      "3 days"
    ])
    assert.deepStrictEqual([0, 999, 1000, 25.3e9].map(model.bytes), ["0 B", "999 B", "1.0 KB", "25.3 GB"])
    assert.deepStrictEqual([0, 5, 10, 20, 7, 1e9].map(model.priority), [
      "low",
      "normal",
      "high",
      "critical",
      "7",
      "now"
    ])
    assert.deepStrictEqual([0.02, 0.5].map(model.percent), ["2.0 %", "50 %"])
    assert.deepStrictEqual([0, 1, 2, 20].map(model.backoff), [250, 500, 1000, 5000])
  })
})
