import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { type Child, launch } from "./child.ts"

// Real processes, real signals, real time: everything here is it.live.

/** Starts one of the small programs, and waits until it is at work. */
const busy = (program: string) => Effect.tap(launch("ends.ts", program), (child) => child.wrote("busy"))

/** A signal to a whole process group, as a terminal sends it. */
const attemptKill = (leader: number | undefined, signal: NodeJS.Signals) => {
  try {
    if (leader !== undefined) process.kill(-leader, signal)
  } catch {
    // Nobody is left.
  }
}

const exited = (code: number) => ({ code, signal: null })

interface Report {
  completed: number
  interrupted: number
  abandoned: number
  leaked: number
  withdrawn: number
}

/** What the log says of a herd. */
const reportOf = (child: Child, herd: string): Report => {
  const line = child
    .output()
    .split("\n")
    .filter((line) => line.includes(`herd ${herd}: closed after`))
  assert.lengthOf(line, 1, child.output())
  const count = (name: string) => Number(new RegExp(`(\\d+) ${name}`).exec(line[0] ?? "")?.[1])
  return {
    completed: count("completed"),
    interrupted: count("interrupted"),
    abandoned: count("abandoned"),
    leaked: count("leaked"),
    withdrawn: count("withdrawn")
  }
}

const tools = "fixture/Tools"
const lemmings = "lemmings/Lemmings"

const load = (options: {
  readonly tasks?: number
  readonly busy?: number
  readonly slow: number
  readonly creation?: number
  readonly shutdown: object
  readonly main?: object
}) =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "herd-main-"))),
      (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
    )
    const ledger = path.join(directory, "ledger")
    fs.writeFileSync(ledger, "")
    const given = { tasks: 1e9, busy: 5000, creation: 5, main: {}, ...options, ledger }
    const child = yield* launch("load.ts", JSON.stringify(given))
    const count = (letter: string) => fs.readFileSync(ledger, "utf8").split(letter).length - 1
    return { child, accepted: () => count("a"), finished: () => count("f") }
  })

/** Every accepted task is in the ledger as finished, or in the report, and its handle knows. */
const accounted = ({ accepted, child, finished }: Effect.Success<ReturnType<typeof load>>) => {
  const line = /^end (.*)$/m.exec(child.output())?.[1]
  assert.isDefined(line, child.output())
  const end: { state: string; submitted: number; told: Record<string, number> } = JSON.parse(line ?? "")
  const report = reportOf(child, tools)
  assert.strictEqual(end.state, "closed")
  assert.strictEqual(end.submitted, accepted())
  assert.strictEqual(finished() + report.interrupted + report.abandoned, accepted(), child.output())
  const { failed = 0, shed = 0, succeeded = 0, ...others } = end.told
  assert.deepStrictEqual(others, {})
  assert.strictEqual(succeeded, finished())
  assert.strictEqual(failed + shed, report.interrupted + report.abandoned)
  return report
}

describe("HerdMain.runMain under load", () => {
  it.live("SIGTERM finishes everything that was accepted, and exits with 0", () =>
    Effect.gen(function* () {
      const run = yield* load({ slow: 30, shutdown: { drain: "1 hour" } })
      yield* run.child.wrote("busy")

      yield* run.child.signal("SIGTERM")

      assert.deepStrictEqual(yield* run.child.ended, exited(0), run.child.output())
      const report = accounted(run)
      assert.isAbove(report.completed, 0)
      assert.isAtLeast(run.finished(), 5000)
    })
  )

  for (const [name, code] of [
    ["SIGTERM", 143],
    ["SIGINT", 130]
  ] as const) {
    it.live(`${name} with a short drain reports what it did not finish, and exits with ${code}`, () =>
      Effect.gen(function* () {
        const run = yield* load({ slow: 60_000, busy: 300, shutdown: { drain: "50 millis" } })
        yield* run.child.wrote("busy")

        yield* run.child.signal(name)

        assert.deepStrictEqual(yield* run.child.ended, exited(code), run.child.output())
        const report = accounted(run)
        assert.isAbove(report.interrupted, 0)
        assert.match(run.child.output(), /WARN.* herd fixture\/Tools/)
      })
    )
  }

  it.live("limits of the call count more than those of the herd", () =>
    Effect.gen(function* () {
      const run = yield* load({
        slow: 60_000,
        busy: 300,
        shutdown: { drain: "1 hour" },
        main: { limits: { drain: "50 millis" } }
      })
      yield* run.child.wrote("busy")

      yield* run.child.signal("SIGTERM")

      assert.deepStrictEqual(yield* run.child.ended, exited(143), run.child.output())
      assert.isAbove(accounted(run).interrupted, 0)
    })
  )

  // The delays are in milliseconds, a fixed sample; from the start of the process or from just before `runMain`.
  const moments = [
    ["spawn", 120],
    ["spawn", 330],
    ["loaded", 0],
    ["loaded", 3],
    ["loaded", 9],
    ["loaded", 17],
    ["loaded", 41],
    ["loaded", 77]
  ] as const
  it.live("a signal at any moment of the start neither hangs nor loses a task", () =>
    Effect.forEach(
      moments,
      ([since, delay]) =>
        Effect.gen(function* () {
          const run = yield* load({
            tasks: 1e9,
            slow: 5,
            creation: delay % 2 === 0 ? 0 : 30,
            shutdown: { drain: "1 hour" }
          })
          if (since === "loaded") yield* run.child.wrote("loaded")
          yield* Effect.sleep(delay)

          yield* run.child.signal("SIGTERM")

          const end = yield* run.child.ended
          if (end.signal !== null) {
            // Before there was anybody to listen.
            assert.deepStrictEqual([end.signal, run.accepted()], ["SIGTERM", 0])
            return
          }
          assert.strictEqual(end.code, 0, run.child.output())
          assert.strictEqual(run.finished(), run.accepted(), run.child.output())
          if (run.child.output().includes("started")) accounted(run)
        }).pipe(Effect.scoped),
      { concurrency: 2, discard: true }
    )
  )
})

describe("HerdMain.runMain", () => {
  it.live("a second signal interrupts at once, in the middle of a long drain", () =>
    Effect.gen(function* () {
      const child = yield* busy("long task")
      yield* child.signal("SIGTERM")
      yield* child.wrote("SIGTERM: not ready")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(143), child.output())
      assert.strictEqual(reportOf(child, lemmings).interrupted, 1)
    })
  )

  it.live("a third signal exits at once, even with a task that ignores interruption", () =>
    Effect.gen(function* () {
      const child = yield* busy("stubborn task")
      yield* child.signal("SIGTERM")
      yield* child.wrote("SIGTERM: not ready")
      yield* child.signal("SIGTERM")
      yield* child.wrote("SIGTERM again")

      yield* child.signal("SIGINT")

      assert.deepStrictEqual(yield* child.ended, exited(130), child.output())
      assert.match(child.output(), /ERROR.* SIGINT: leaving 1 herd behind/)
    })
  )

  it.live("a second signal skips the delay, and nothing lost is 0", () =>
    Effect.gen(function* () {
      const child = yield* busy("long delay")
      yield* child.signal("SIGTERM")
      yield* child.wrote("stopping 1 herd in 3600000 ms")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(0), child.output())
      assert.strictEqual(reportOf(child, lemmings).interrupted, 0)
    })
  )

  it.live("says that it is not ready before a herd stops, and serves until the herds are closed", () =>
    Effect.gen(function* () {
      const child = yield* launch("ends.ts", "server")
      yield* child.wrote("port ")
      yield* child.wrote("\n")
      const port = /port (\d+)/.exec(child.output())?.[1]
      const ask = (at: string) =>
        Effect.promise(async () => (await fetch(`http://127.0.0.1:${port}${at}`)).text())
      assert.strictEqual(yield* ask("/"), "false running")
      yield* child.signal("SIGTERM")

      const seen = new Set<string>()
      const look = Effect.tap(ask("/"), (state) => Effect.sync(() => seen.add(state)))
      yield* Effect.repeat(look, {
        schedule: Schedule.spaced(5),
        while: (state) => state !== "true draining"
      })
      seen.delete("false running")
      assert.deepStrictEqual([...seen], ["true running", "true draining"])

      assert.strictEqual(yield* ask("/finish"), "true draining")
      assert.deepStrictEqual(yield* child.ended, exited(0), child.output())
      assert.strictEqual(reportOf(child, lemmings).completed, 1)
    })
  )

  it.live("a program without herds is interrupted, releases what it has, and exits with 0", () =>
    Effect.gen(function* () {
      const child = yield* busy("no herds")

      yield* child.signal("SIGINT")

      assert.deepStrictEqual(yield* child.ended, exited(0))
      assert.include(child.output(), "released")
    })
  )

  it.live("SIGHUP drains too, and the second one interrupts", () =>
    Effect.gen(function* () {
      const calm = yield* busy("no herds")
      yield* calm.signal("SIGHUP")
      assert.deepStrictEqual(yield* calm.ended, exited(0), calm.output())
      assert.include(calm.output(), "released")

      const child = yield* busy("long task")
      yield* child.signal("SIGHUP")
      yield* child.wrote("SIGHUP: not ready")
      yield* child.signal("SIGHUP")
      assert.deepStrictEqual(yield* child.ended, exited(129), child.output())
    })
  )

  it.live("signals that are left out are the program's own", () =>
    Effect.gen(function* () {
      const child = yield* busy("a signal of its own")
      yield* child.signal("SIGHUP")
      yield* child.wrote("read again")
      assert.notInclude(child.output(), "not ready")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(0), child.output())
    })
  )

  it.live("a finalizer that fails in an interrupted program is logged, and the code is 1", () =>
    Effect.gen(function* () {
      const child = yield* busy("a finalizer that fails")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(1), child.output())
      assert.match(child.output(), /ERROR.*finalizer broke/)
    })
  )

  it.live("Ctrl+C that ends the reader of our output first drains as without a pipe", () =>
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "herd-pipe-"))),
        (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
      )
      const note = path.join(directory, "note")
      const has = (text: string) =>
        Effect.repeat(
          Effect.sync(() => fs.existsSync(note) && fs.readFileSync(note, "utf8").includes(text)),
          { schedule: Schedule.spaced(10), while: (found) => !found }
        )
      const program = fileURLToPath(new URL("./fixtures/ends.ts", import.meta.url))
      const group = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(
            "sh",
            ["-c", `"$0" "$1" "writes without end" "$2" 2>&1 | cat`, process.execPath, program, note],
            {
              detached: true,
              stdio: "ignore"
            }
          )
        ),
        (shell) => Effect.sync(() => attemptKill(shell.pid, "SIGKILL"))
      )
      yield* has("busy")

      attemptKill(group.pid, "SIGINT")

      yield* has("exit code")
      assert.strictEqual(fs.readFileSync(note, "utf8"), "busy\nfinished\nexit code 0\n")
    })
  )

  it.live("a program whose finalizers hang is left behind with the signal's code", () =>
    Effect.gen(function* () {
      const child = yield* busy("hanging finalizer")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(143), child.output())
      assert.match(child.output(), /ERROR.* the program has not ended 200 ms after its herds had closed/)
    })
  )

  it.live("reports to the loggers of the program", () =>
    Effect.gen(function* () {
      const child = yield* busy("its own logger")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(0), child.output())
      const [signal, herd] = child
        .output()
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line): { readonly message: string } => JSON.parse(line))
      assert.strictEqual(signal?.message, "SIGTERM: not ready for more, stopping 1 herd now")
      assert.match(herd?.message ?? "", /^herd lemmings\/Lemmings: closed after \d+ ms, 0 completed/)
    })
  )

  const alone: ReadonlyArray<readonly [program: string, code: number, says: RegExp]> = [
    ["fails", 1, /ERROR.*no luck/],
    ["fails with a code", 7, /ERROR.*Coded/],
    ["fails quietly", 1, /^$/],
    ["bad option", 1, /exitAfter must be a duration such as "5 seconds", at least 0, got -1/],
    ["a bad signal", 1, /signals must be some of SIGTERM, SIGINT, SIGHUP, got "SIGKILL"/],
    ["bad order", 1, /order must be one of together, lastFirst, got "first"/],
    ["succeeds", 0, /^listeners 0\n$/],
    ["no process", 0, /^ran false\n.*ERROR.*no luck/],
    ["half a process", 0, /^ran\n$/]
  ]
  it.live.each(alone)(
    "without a signal, a program that is called %s exits with %i",
    ([program, code, says]) =>
      Effect.gen(function* () {
        const child = yield* launch("ends.ts", program)

        assert.deepStrictEqual(yield* child.ended, exited(code), child.output())
        assert.match(child.output(), says)
      })
  )

  it.live("HerdClosed because of the stop is no failure", () =>
    Effect.gen(function* () {
      const child = yield* busy("refused, nothing lost")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(0), child.output())
      assert.notInclude(child.output(), "ERROR")
      const { completed, ...others } = reportOf(child, lemmings)
      assert.isAtMost(completed, 1)
      assert.deepStrictEqual(others, { interrupted: 0, abandoned: 0, leaked: 0, withdrawn: 0 })
    })
  )

  it.live("tasks that the program takes along by its own end are lost", () =>
    Effect.gen(function* () {
      const child = yield* busy("refused, and takes its tasks along")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(143), child.output())
      assert.strictEqual(reportOf(child, lemmings).withdrawn, 1)
    })
  )

  it.live("a program that fails while draining exits with 1 when its tasks have ended", () =>
    Effect.gen(function* () {
      const child = yield* busy("fails while draining")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(1), child.output())
      assert.match(child.output(), /ERROR.*no luck/)
      assert.include(child.output(), "finished")
      assert.strictEqual(reportOf(child, lemmings).completed, 1)
    })
  )

  it.live(
    "a program that ends during the delay ends the delay, and exits with 0 when its tasks have ended",
    () =>
      Effect.gen(function* () {
        const child = yield* busy("ends while draining")

        yield* child.signal("SIGTERM")

        assert.deepStrictEqual(yield* child.ended, exited(0), child.output())
        assert.include(child.output(), "finished")
        assert.strictEqual(reportOf(child, lemmings).completed, 1)
      })
  )

  it.live("a herd that comes while the process stops is stopped too", () =>
    Effect.gen(function* () {
      const child = yield* busy("a herd that comes late")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(0), child.output())
      assert.include(child.output(), "late Failure")
      assert.strictEqual(reportOf(child, "fixture/First").completed, 1)
      assert.strictEqual(reportOf(child, "fixture/Second").completed, 0)
    })
  )

  it.live("the herds of a registry that is given are stopped, and the program finds it", () =>
    Effect.gen(function* () {
      const child = yield* busy("another registry")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(0), child.output())
      assert.include(child.output(), "default false 0 own 1")
      assert.strictEqual(reportOf(child, lemmings).completed, 1)
    })
  )

  it.live("lastFirst lets the tasks of a herd use an earlier herd to the end", () =>
    Effect.gen(function* () {
      const child = yield* busy("a herd on a herd")

      yield* child.signal("SIGTERM")

      assert.deepStrictEqual(yield* child.ended, exited(0), child.output())
      assert.notInclude(child.output(), "refused")
      assert.isAtLeast(reportOf(child, "fixture/Second").completed, 4)
    })
  )
})
