import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

// it.live throughout: each test runs the program as a process of its own.

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const start = (
  args: ReadonlyArray<string>,
  onOutput?: (stdout: string, signal: () => void, hangUp: () => void) => void,
  columns = 120
) =>
  Effect.callback<Ended>((resume) => {
    const child = spawn(process.execPath, [main, ...args], {
      env: { ...process.env, COLUMNS: String(columns) }
    })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
      onOutput?.(
        stdout,
        () => child.kill("SIGINT"),
        () => child.stdout.destroy()
      )
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** The changes that the program printed. */
const changesIn = (stdout: string) =>
  [...stdout.matchAll(/^ *[\d.]+ s {2}[+-] (\d+) -> (\d+) workers, littlesLaw: (.+)$/gm)].map(
    ([, from, to, reason]) => ({ from: Number(from), to: Number(to), reason })
  )

const workersIn = (stdout: string) =>
  /^(\d+) workers at most, (\d+) in the end/m.exec(stdout)?.slice(1).map(Number) ?? []

describe("burst", () => {
  it.live("in virtual time, grows for the burst, shrinks after it, says why, and loses nothing", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* start(["--virtual"])

      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.match(stdout, /^\d{4} tasks, 0 lost$/m)
      const changes = changesIn(stdout)
      const grown = changes.filter(({ from, to }) => to > from)
      const shrunk = changes.filter(({ from, to }) => to < from)
      assert.isAbove(grown.length, 2)
      assert.isAbove(shrunk.length, 2)
      assert.match(grown.at(-1)?.reason ?? "", /^[\d.]+\/s of \d+ ms, \d+ waiting: \d+ wanted/)
      assert.match(shrunk[0]?.reason ?? "", /at most \d+ wanted for 30 s$/)
      const [most = 0, last = 0] = workersIn(stdout)
      assert.isAtLeast(most, 10)
      assert.isAtMost(last, 6)
      // One line for each second, the first and the last included.
      assert.lengthOf([...stdout.matchAll(/ busy, \d+ idle, \d+ starting · /g)], 61)
    })
  )

  it.live("in virtual time, is the same on every run", () =>
    Effect.gen(function* () {
      const args = ["--virtual", "--seconds", "12"]
      const [one, two] = yield* Effect.all([start(args), start(args)], { concurrency: 2 })

      assert.strictEqual(one.code, 0, one.stderr)
      assert.deepStrictEqual(one, two)
    })
  )

  it.live("fits into a terminal of 60 columns", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* start(["--virtual", "--seconds", "12"], undefined, 60)

      assert.strictEqual(code, 0)
      for (const line of stdout.split("\n")) assert.isAtMost(line.length, 60, line)
      assert.match(
        stdout,
        /^ {9}\d+ busy, \d+ idle, \d+ starting · \d+ waiting\n {9}\d+\/s · wait p95 \d+ ms$/m
      )
    })
  )

  it.live("live, answers every question over real connections", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* start(["--seconds", "4"])

      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.match(stdout, /^\d+ tasks, 0 lost$/m)
      assert.notInclude(stdout, "Stopped early")
      assert.isAbove(changesIn(stdout).length, 0)
      const [most = 0] = workersIn(stdout)
      assert.isAbove(most, 2)
      const connections = Number(/(\d+) connections made/.exec(stdout)?.[1])
      assert.isAtLeast(connections, most)
    })
  )

  it.live("on Ctrl-C answers what was asked, sums up, and exits by itself", () =>
    Effect.gen(function* () {
      let signalled = false

      const { code, stderr, stdout } = yield* start(["--seconds", "600"], (stdout, signal) => {
        if (signalled || !/[1-9]\d* busy/.test(stdout)) return
        signalled = true
        signal()
      })

      assert.deepStrictEqual([code, stderr], [130, ""])
      assert.include(stdout, "Stopped early.")
      assert.match(stdout, /^[1-9]\d* tasks, 0 lost$/m)
    })
  )

  it.live("answers what was asked and ends well when nobody reads any more, as behind head", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* start(["--seconds", "600"], (stdout, _, hangUp) => {
        if (/[1-9]\d* busy/.test(stdout)) hangUp()
      })
      assert.deepStrictEqual([code, stderr], [0, ""])
    })
  )

  it.live("--help says what it does, and succeeds", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* start(["--help"])

      assert.strictEqual(code, 0)
      for (const flag of ["--calm", "--burst", "--seconds", "--virtual"]) assert.include(stdout, flag)
    })
  )

  it.live.each([
    { name: "no load", args: ["--calm", "0"], message: "Expected 1 to 500 tasks a second, got 0" },
    { name: "too large a burst", args: ["--burst", "9999"], message: "Expected 1 to 5000 tasks a second" },
    { name: "seconds that are no number", args: ["--seconds", "many"], message: "many" },
    { name: "an unknown flag", args: ["--nonsense"], message: "--nonsense" }
  ])("refuses $name with a message and exit code 2", ({ args, message }) =>
    Effect.gen(function* () {
      const { code, stderr } = yield* start(args)

      assert.strictEqual(code, 2)
      assert.include(stderr, message)
    })
  )
})
