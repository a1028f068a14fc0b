// What a herd tells Node.js of its threads and processes, seen from outside.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { type Start, Status, width } from "../../src/wire/Wire.ts"
import { Act, all } from "../support/tasks.ts"

const worker = new URL("../support/all.worker.ts", import.meta.url)
class Threads extends ThreadHerd.Service<Threads>()("test/Settings", { tasks: all, worker }) {}

describe("settings of a thread and of a process", () => {
  for (const isolation of ["thread", "process"] as const) {
    it.live(`env and execArgv reach a ${isolation}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* Threads.run(Act({ what: "settings" })), {
          env: "herding",
          execArgv: ["--no-deprecation"]
        })
      }).pipe(
        Effect.provide(
          Threads.layer({
            isolation,
            workers: { max: 1 },
            env: { ...process.env, LEMMINGS_TEST: "herding" },
            execArgv: ["--no-deprecation"]
          })
        )
      )
    )

    it.live(`what a ${isolation} writes has its herd and worker before each line, or is dropped`, () =>
      Effect.promise(async () => {
        const say = (output: string) =>
          promisify(execFile)(process.execPath, [
            fileURLToPath(new URL("../support/says.ts", import.meta.url)),
            isolation,
            output
          ])
        const prefixed = await say("prefix")
        assert.strictEqual(prefixed.stdout, "[test/Says 1] one\n[test/Says 1] two\n")
        assert.strictEqual(prefixed.stderr, "[test/Says 1] bad\n")
        const plain = await say("inherit")
        assert.strictEqual(plain.stdout, "one\ntwo")
        const dropped = await say("ignore")
        assert.deepStrictEqual([dropped.stdout, dropped.stderr], ["", ""])
      })
    )
  }
})

describe("a process", () => {
  it.live(
    "hears an abort that comes after the end of its task, and leaves the next one in its slot alone",
    () =>
      Effect.promise(async () => {
        const tasks = ["Echo", "Act"]
        const tag = 7
        const start: Start = {
          lemmings: "test/Late",
          tag,
          workerId: 1,
          tasks,
          concurrency: 2,
          heap: false,
          states: undefined,
          port: undefined,
          module: worker.href,
          data: undefined
        }
        const child = fork(fileURLToPath(new URL("../../src/thread/child.ts", import.meta.url)), {
          serialization: "advanced",
          stdio: ["ignore", "inherit", "inherit", "ipc", "pipe"]
        })
        child.send(start)
        const answers: Array<unknown> = []
        const answered = (count: number) =>
          new Promise<void>((resolve) => {
            const check = () => {
              if (answers.length >= count) resolve()
            }
            child.on("message", check)
            check()
          })
        await once(child, "message")
        child.on("message", (message: Array<unknown>) => {
          for (let i = 1; i + width <= message.length; i += width) answers.push(message.slice(i, i + 3))
        })

        child.send([tag, 0, 0, "first", undefined])
        await answered(1)
        // Its caller left just as it ended.
        child.send([tag, 0])
        child.send([tag, 0, 1, { what: "wait" }, undefined])
        child.send([tag, 1, 0, "beside it", undefined])
        await answered(2)
        assert.deepStrictEqual(answers, [
          [0, Status.success, "first"],
          [1, Status.success, "beside it"]
        ])
        child.send([tag, 0])
        await answered(3)
        assert.deepStrictEqual(answers[2], [0, Status.success, "aborted"])
        child.kill("SIGKILL")
        await once(child, "exit")
      })
  )
})
