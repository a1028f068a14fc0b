// Child processes, their herd's process, and who sends signals: real processes, real groups, real signals.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { execFile, execFileSync, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { childEnv, childExecArgv } from "../../src/herd/ChildOptions.ts"

const program = fileURLToPath(new URL("../support/life.ts", import.meta.url))
let marks = 0
const newMark = () => `lemmings-life-${process.pid}-${++marks}`

/** Children that are alive: not those that have ended and that nobody has asked for. */
const children = (mark: string) =>
  execFileSync("ps", ["-eo", "pid=,stat=,args="], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(mark) && line.includes("child.ts") && !/^\s*\d+\s+Z/.test(line))

const launch = (what: string, mark: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [program, what, mark], {
          detached: true,
          stdio: ["ignore", "pipe", "pipe"]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    (child) => {
      let output = ""
      child.stdout.on("data", (chunk) => (output += String(chunk)))
      child.stderr.on("data", (chunk) => (output += String(chunk)))
      const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
      return { pid: child.pid ?? 0, output: () => output, ended: Effect.promise(() => ended) }
    }
  )
const until = (holds: () => boolean, told: () => string = () => "") =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("50 millis")),
    Effect.timeoutOrElse({
      duration: "20 seconds",
      orElse: () => Effect.die(new Error(`waited in vain: ${told()}`))
    })
  )

describe("a signal to the whole process group", () => {
  for (const [signal] of [["SIGINT"], ["SIGTERM"], ["SIGHUP"]] as const) {
    it.live(`is for the herd's process: its children finish what they run (${signal})`, () =>
      Effect.gen(function* () {
        const mark = newMark()
        const life = yield* launch("drain", mark)
        yield* until(() => life.output().includes("busy"), life.output)
        const pids = children(mark).map((line) => Number.parseInt(line, 10))
        assert.lengthOf(pids, 2)

        // To every process there is, as whoever ends a service does.
        process.kill(-life.pid, signal)
        for (const pid of pids) process.kill(pid, signal)

        assert.strictEqual(yield* life.ended, 0, life.output())
        for (const value of [1, 2, 3, 4]) assert.include(life.output(), `done ${value}`)
        assert.include(life.output(), "4 completed, 0 interrupted, 0 abandoned, 0 leaked")
        assert.deepStrictEqual(children(mark), [])
      })
    )
  }
})

describe("a child that is killed while its herd drains", () => {
  it.live("leaves an exit code that says so", () =>
    Effect.gen(function* () {
      const mark = newMark()
      const life = yield* launch("spin", mark)
      yield* until(() => life.output().includes("busy"), life.output)
      const pids = children(mark).map((line) => Number.parseInt(line, 10))
      process.kill(life.pid, "SIGTERM")
      yield* until(() => life.output().includes("not ready"), life.output)

      for (const pid of pids) process.kill(pid, "SIGKILL")

      assert.strictEqual(yield* life.ended, 143, life.output())
      assert.include(life.output(), "0 completed, 2 interrupted, 0 abandoned, 0 leaked")
    })
  )
})

describe("a child process whose herd is gone ends", () => {
  for (const [what, when] of [
    ["hang", "in the middle of a task that never lets go"],
    ["loop", "in the middle of its module, which does not either"]
  ] as const) {
    it.live(when, () =>
      Effect.gen(function* () {
        const mark = newMark()
        const life = yield* launch(what, mark)
        yield* until(() => children(mark).length === 2, life.output)
        // So that they are busy; a herd that is gone before that is the easier case.
        yield* Effect.sleep("700 millis")

        process.kill(life.pid, "SIGKILL")

        yield* until(
          () => children(mark).length === 0,
          () => children(mark).join("\n")
        )
      })
    )
  }

  it.live("when that was in a thread, and its process lives on", () =>
    Effect.gen(function* () {
      const mark = newMark()
      const life = yield* launch("nested", mark)
      yield* until(() => children(mark).length === 1, life.output)
      yield* Effect.sleep("700 millis")

      process.kill(life.pid, "SIGUSR2")

      yield* until(() => life.output().includes("interrupted"), life.output)

      yield* until(
        () => children(mark).length === 0,
        () => children(mark).join("\n")
      )
      assert.doesNotThrow(() => process.kill(life.pid, 0))
    })
  )
})

describe("the flags and variables of a child process", () => {
  it.live("are not those of the program itself: node --eval runs once", () =>
    Effect.promise(async () => {
      const code = `console.log("evaluated"); process.env.LIFE = "once"; import(${JSON.stringify(program)})`
      const { stdout } = await promisify(execFile)(process.execPath, ["--no-deprecation", "-e", code])
      assert.deepStrictEqual(stdout.trim().split("\n"), ["evaluated", `{"execArgv":["--no-deprecation"]}`])
    })
  )

  it.live("an inspector has a port for each", () =>
    Effect.promise(async () => {
      const { stderr, stdout } = await promisify(execFile)(process.execPath, [
        "--inspect=127.0.0.1:0",
        program,
        "inspect"
      ])
      const ports = [...stderr.matchAll(/ws:\/\/127\.0\.0\.1:(\d+)/g)].map(([, port]) => port)
      assert.lengthOf(ports, 2)
      assert.strictEqual(new Set(ports).size, 2)
      assert.match(stdout, new RegExp(`^inspector ws://127\\.0\\.0\\.1:${ports[1]}/`))
    })
  )

  it("leave out what is about one program, and keep the rest", () => {
    const none = { execArgv: undefined, resourceLimits: undefined }
    const flags = (...own: ReadonlyArray<string>) => childExecArgv(none, own)
    assert.deepStrictEqual(flags("-e", "1", "--conditions=dev", "--import", "tsx"), [
      "--conditions=dev",
      "--import",
      "tsx"
    ])
    assert.deepStrictEqual(
      flags("--input-type=module", "--eval=1", "--test", "--watch-path=a", "-p", "1"),
      []
    )
    assert.deepStrictEqual(flags("--inspect"), ["--inspect=0"])
    assert.deepStrictEqual(flags("--inspect-brk=0.0.0.0:9229", "-r", "a.js"), [
      "-r",
      "a.js",
      "--inspect=0.0.0.0:0"
    ])
    assert.deepStrictEqual(
      childExecArgv({ execArgv: ["--a"], resourceLimits: { maxOldGenerationSizeMb: 64 } }, ["--b"]),
      ["--a", "--max-old-space-size=64"]
    )
  })

  it("NODE_OPTIONS asks for no port that is taken", () => {
    const env = (NODE_OPTIONS: string) => childEnv({ NODE_OPTIONS })["NODE_OPTIONS"]
    assert.strictEqual(env("--inspect=9229 --no-warnings"), "--inspect=0 --no-warnings")
    assert.strictEqual(env("--no-warnings --inspect-brk"), "--no-warnings --inspect=0")
    assert.strictEqual(env("--no-warnings"), "--no-warnings")
  })
})
