import { assert, describe, it } from "@effect/vitest"
import { render, type Run } from "../src/Report.ts"

const long = "a/folder/with a long name/".repeat(10)

const run = {
  root: `/${long}`,
  database: "/jobs.sqlite",
  seconds: 12.3,
  complete: false,
  stats: {
    tasks: { succeeded: 12_345, retried: 3 },
    workers: { peak: 8, max: 8 },
    resources: { created: 8, destroyed: 8 }
  },
  metrics: {
    run: { p50: 1, p95: 12.34, p99: 123.4, max: 12_345.6 },
    wait: { p50: 1, p95: 2, p99: 3, max: 4 }
  },
  shutdown: { abandoned: 0, interrupted: 0, leaked: 0 },
  summary: {
    totals: { files: 12_345, bytes: 123_456_789_012, lines: 123_456_789 },
    kinds: [{ kind: "application/javascript", files: 12_345, bytes: 123_456_789, lines: 1_234_567 }],
    duplicates: {
      groups: 12_345,
      wasted: 1_234_567,
      top: [{ example: long, copies: 1234, bytes: 123_456, wasted: 123_456 }]
    },
    problems: {
      count: 123,
      first: [{ path: long, reason: "unreadable", message: `EACCES: ${long} ${"x".repeat(200)}` }]
    }
  },
  changes: [
    { at: 0, from: 0, to: 2, by: "start", reason: "initial", seconds: -0.01 },
    {
      at: 0,
      from: 2,
      to: 8,
      by: "littlesLaw",
      reason: "demand of many words ".repeat(9),
      seconds: 123.4
    }
  ],
  samples: Array.from({ length: 200 }, (_, n) => ({ seconds: n / 16, workers: 2 + (n % 7), busy: n % 7 }))
} as unknown as Run

describe("the report", () => {
  for (const columns of [60, 72, 80, 120, 500]) {
    it(`fits into a terminal of ${columns} columns`, () => {
      const lines = render(run, "node", columns).split("\n")
      const command = lines.indexOf("Try:")
      assert.isAbove(command, 40)
      for (const line of lines.slice(0, command)) assert.isAtMost(line.length, columns, line)
    })
  }

  it("ends with a command that runs, whatever the name of the database is", () => {
    const text = render({ ...run, database: "/it's here" }, "node")
    assert.match(text, /^node -e '.*' '\/it'\\''s here'$/m)
  })
})
