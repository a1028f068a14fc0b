import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { columns } from "../../src/frames/Past.ts"
import type { Frame, HerdOverview } from "../../src/model/FrameModel.ts"
import type { Problem } from "../../src/model/Problem.ts"
import * as model from "../src/model.ts"
import { parse } from "../src/route.ts"
import * as table from "../src/table.ts"

const herd = (id: string, more: Partial<HerdOverview> = {}): HerdOverview => ({
  id,
  state: "running",
  paused: false,
  pinned: false,
  policy: "fixed",
  size: 1,
  busy: 0,
  starting: 0,
  min: 1,
  max: 1,
  waiting: 0,
  held: 0,
  oldestMillis: 0,
  succeededRate: 0,
  failedRate: 0,
  failureRate: 0,
  spark: [],
  ...more
})

const frame = (more: Partial<Frame>): Frame =>
  ({
    first: false,
    at: 1,
    readOnly: false,
    exposeErrors: false,
    process: {},
    problems: [],
    herds: [],
    ...more
  }) as Frame

const open = (at: ReadonlyArray<number>, id = "b") =>
  ({
    stats: { herd: id },
    points: Object.fromEntries(columns.map((name) => [name, at])),
    decisions: [],
    failures: []
  }) as unknown as NonNullable<Frame["open"]>

const problem = (id: string, severity: Problem["severity"] = "warning"): Problem => ({
  alert: "LemmingsPaused",
  title: "Paused with tasks waiting",
  severity,
  subject: { kind: "herd", id },
  sentence: "is paused",
  detail: "",
  since: 0,
  remedy: { kind: "resume" }
})

describe("merge", () => {
  it("takes what changed, keeps the rest, forgets who is gone, and begins anew with a first frame", () => {
    let view = model.merge(
      undefined,
      frame({ first: true, herdIds: ["a", "b"], herds: [herd("a"), herd("b")], queues: [] })
    )
    view = model.merge(view, frame({ herds: [herd("b", { busy: 1 })] }))
    assert.deepStrictEqual(
      view.herds.map(({ busy, id }) => [id, busy]),
      [
        ["a", 0],
        ["b", 1]
      ]
    )
    view = model.merge(view, frame({ herdIds: ["b"] }))
    assert.deepStrictEqual(
      view.herds.map(({ id }) => id),
      ["b"]
    )
    view = model.merge(view, frame({ first: true, herdIds: ["c"], herds: [herd("c")] }))
    assert.deepStrictEqual(
      view.herds.map(({ id }) => id),
      ["c"]
    )
  })

  it("adds the points of the herd that is open, ten minutes of them, and drops those of another", () => {
    let view = model.merge(undefined, frame({ first: true, open: open([1, 2]) }))
    view = model.merge(view, frame({ open: open([3]) }))
    assert.deepStrictEqual(view.open?.points.busy, [1, 2, 3])
    for (let at = 0; at < 1000; at++) view = model.merge(view, frame({ open: open([at]) }))
    assert.strictEqual(view.open?.points.at.length, model.mostPoints)
    view = model.merge(view, frame({ open: open([9], "c") }))
    assert.deepStrictEqual(view.open?.points.at, [9])
  })
})

describe("verdict", () => {
  const viewOf = (problems: ReadonlyArray<Problem>) =>
    model.verdict(
      model.merge(
        undefined,
        frame({ first: true, herdIds: ["a", "b"], herds: [herd("a"), herd("b")], problems })
      )
    )

  it("counts problems and warnings, and who is fine", () => {
    assert.deepInclude(viewOf([]), { level: "fine", words: "Everything is fine", number: 0 })
    assert.deepInclude(viewOf([problem("a")]), {
      level: "warning",
      words: "1 warning",
      rest: "1 of 2 are fine",
      number: 1
    })
    assert.deepInclude(viewOf([problem("a", "critical"), problem("a"), problem("b")]), {
      level: "critical",
      words: "1 problem, 2 warnings",
      rest: "0 of 2 are fine",
      number: 1
    })
  })
})

describe("the table of herds", () => {
  const many = Array.from({ length: 100 }, (_, n) => herd(`svc-${n % 4}/Worker${n}`, { waiting: n }))
  const troubles = table.worst([problem("svc-1/Worker1"), problem("svc-1/Worker1", "critical")], "herd")
  const all = (by: table.Column, filter = "", unfolded: ReadonlyArray<string> = []) =>
    table.lines(many, troubles, { by, down: true }, filter, new Set(unfolded))

  it("folds the fine ones of many by prefix, those in trouble first and alone", () => {
    assert.deepStrictEqual(
      all("trouble").map((line) => (line.kind === "herd" ? line.herd.id : `${line.name} ${line.size}`)),
      ["svc-1/Worker1", "svc-0 25", "svc-1 24", "svc-2 25", "svc-3 25"]
    )
    assert.strictEqual(all("trouble", "", ["svc-0"]).length, 30)
  })

  it("filters by name, state and policy, and sorts by figures", () => {
    const first = all("waiting")[0]
    assert.strictEqual(first?.kind === "herd" ? first.herd.id : "", "svc-3/Worker99")
    assert.strictEqual(all("name", "worker9").length, 11)
    assert.strictEqual(all("name", "PAUSED waiting").length, 1)
    assert.strictEqual(all("trouble", "svc-2 fixed").length, 25)
    assert.strictEqual(all("trouble", "nobody").length, 0)
  })
})

describe("routes", () => {
  it("are links that can be sent, and nonsense is the overview", () => {
    assert.deepStrictEqual(parse("#/herds/app%2FDb/keys"), { at: "herd", id: "app/Db", tab: "keys" })
    assert.deepStrictEqual(parse("#/queues/a%20b"), { at: "queue", id: "a b" })
    for (const hash of ["", "#/", "#/herds/", "#nonsense", "#/nobody/x"])
      assert.deepStrictEqual(parse(hash), { at: "all" }, hash)
    assert.deepStrictEqual(parse("#/herds/%zz"), { at: "herd", id: "%zz", tab: undefined })
  })
})

describe("figures", () => {
  const int = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))
  it.prop(
    "each worker has a figure, up to sixty",
    { busy: int, idle: int, starting: int, stopping: int, min: int },
    (counts) => {
      const all = model.figures(counts as never)
      const total = counts.busy + counts.idle + counts.starting + counts.stopping
      if (total > model.mostFigures) return assert.isUndefined(all)
      for (const state of ["busy", "idle", "starting", "stopping"] as const)
        assert.strictEqual(all?.filter((figure) => figure.state === state).length, counts[state])
      assert.strictEqual(all?.filter(({ burst }) => burst).length, Math.max(0, total - counts.min))
    }
  )
})

describe("grouped", () => {
  it("puts what says the same together, most frequent first, with the first and the last time", () => {
    const all = [
      { says: "a", at: 5 },
      { says: "b", at: 1 },
      { says: "b", at: 9 }
    ]
    assert.deepStrictEqual(
      model
        .grouped(
          all,
          ({ says }) => says,
          ({ at }) => at
        )
        .map(({ all, first, key, last }) => [key, all.length, first, last]),
      [
        ["b", 2, 1, 9],
        ["a", 1, 5, 5]
      ]
    )
  })
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
    assert.deepStrictEqual([0, 0.02, 0.5].map(model.percent), ["0 %", "2.0 %", "50 %"])
    assert.deepStrictEqual([0, 1, 2, 20].map(model.backoff), [250, 500, 1000, 5000])
  })
})
