import { Clock, Effect } from "effect"
import { virtual } from "lemmings/testing"
import { assert, describe, it } from "vitest"
import { busiest, Crawler, perHost } from "../src/Crawler.ts"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const run = (...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resolve) => {
    const child = execFile(process.execPath, [main, ...args], (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr })
    )
  })

describe("crawler", () => {
  it("fetches every page, four of a host at a time, within the rate of each host", async () => {
    const { code, stderr, stdout } = await run()

    assert.deepStrictEqual([code, stderr], [0, ""])
    const rows = [...stdout.matchAll(/^(\S+\.test) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) of (\d+)/gm)].map(
      ([, host, ...figures]) => [host, ...figures.map(Number)] as const
    )
    assert.deepStrictEqual(
      rows.map(([host, pages]) => [host, pages]),
      [
        ["quick.test", 60],
        ["slow.test", 40],
        ["strict.test", 20],
        ["small.test", 5]
      ]
    )
    for (const [host, , refused = 0, atOnce = 0, begun = 0, answered = 0, allowed = 0] of rows) {
      assert.isAtMost(atOnce, 4, host)
      assert.isAtMost(answered, allowed, host)
      // The herd counts a start before the request looks at the clock: of two requests one may look late. In virtual time, below,
      // it is the law and nothing more.
      assert.isAtMost(begun, perHost.rate.limit + perHost.rate.burst - 1 + 1, host)
      // The strict host takes ten a second, and is asked for twenty: it says so, and is left alone for a while.
      if (host === "strict.test") assert.isTrue(refused >= 1 && refused <= 20, `${refused} refusals`)
      if (host === "quick.test") assert.strictEqual(refused, 0)
    }
  })

  it("begins no more than limit + burst - 1 requests of a host in any second", async () => {
    const begun: Array<number> = []
    const request = Effect.map(Clock.currentTimeMillis, (now) => begun.push(now))
    const program = Effect.flatMap(Crawler, (herd) =>
      herd.runAll(
        Array.from({ length: 400 }, () => request),
        { key: "quick.test" }
      )
    )
    await Effect.runPromise(virtual(Effect.provide(program, Crawler.live)))
    const { burst, limit } = perHost.rate
    const most = busiest(
      { done: new Map(), refused: new Map(), begun: new Map([["quick.test", begun]]) },
      "quick.test"
    )
    assert.strictEqual(most, limit + burst - 1)
    // And no fewer than the limit.
    assert.strictEqual(begun.at(-1), ((400 - burst) * 1_000) / limit)
  })

  it("says how it is used, and refuses what makes no sense with 2", async () => {
    assert.include((await run("--help")).stdout, "node src/main.ts")
    assert.strictEqual((await run("nonsense")).code, 2)
  })
})
