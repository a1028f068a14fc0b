import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Bare, bare, conserved, exitOf, flush, gate, logger, start } from "./support.ts"

const wasInterrupted = (exit: Exit.Exit<unknown, unknown> | undefined) =>
  exit?._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)

describe("p-queue: abort", () => {
  it.effect("an interrupted caller takes its waiting task out of the queue", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const { open, task } = gate()
      yield* herd.submit(task)
      const aborted = yield* start(herd.run(note("aborted")))
      const kept = yield* start(herd.run(note("kept")))
      yield* Fiber.interrupt(aborted)
      const { tasks } = yield* herd.stats
      yield* open
      yield* Fiber.join(kept)

      assert.deepStrictEqual([tasks.queued, tasks.interrupted], [1, 1])
      assert.deepStrictEqual(log, ["kept"])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("an interrupted caller interrupts its running task and waits for its finalizers", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const release = gate()
      const { log, note } = logger()
      const caller = yield* start(
        herd.run(Effect.ensuring(Effect.never, Effect.andThen(release.task, note("finalized"))))
      )
      const leaving = yield* start(Fiber.interrupt(caller))
      yield* flush
      const during = [(yield* herd.stats).workers.busy, exitOf(leaving)]
      yield* release.open
      yield* Fiber.join(leaving)

      assert.deepStrictEqual(during, [1, undefined])
      assert.deepStrictEqual(log, ["finalized"])
      assert.strictEqual((yield* herd.stats).workers.busy, 0)
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("a caller that is interrupted before it submits leaves no trace", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const caller = yield* Effect.forkChild(herd.run(note("ran")))
      caller.interruptUnsafe()
      yield* flush

      assert.deepStrictEqual(log, [])
      assert.strictEqual((yield* herd.stats).tasks.submitted, 0)
    }).pipe(Effect.provide(bare()))
  )

  it.effect("a cancelled waiting task costs no place in a full queue", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      yield* herd.submit(Effect.never)
      const waiting = yield* start(herd.run(Effect.void))
      const blocked = yield* start(herd.submit(Effect.void))
      const before = exitOf(blocked)
      yield* Fiber.interrupt(waiting)
      yield* flush

      assert.strictEqual(before, undefined)
      assert.strictEqual(exitOf(blocked)?._tag, "Success")
    }).pipe(Effect.provide(bare({ workers: { max: 1 }, queue: { capacity: 1 } })))
  )

  it.effect("tasks of the same id are cancelled one by one", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      yield* herd.submit(task)
      const first = yield* start(herd.run(Effect.succeed("first"), { id: "same" }))
      const second = yield* start(herd.run(Effect.succeed("second"), { id: "same" }))
      yield* Fiber.interrupt(first)
      yield* open

      assert.strictEqual(yield* Fiber.join(second), "second")
      assert.strictEqual(wasInterrupted(exitOf(first)), true)
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("an interrupt reaches only its own task, never the next one on the same worker", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, seen, task } = gate()
      const first = yield* herd.submit(Effect.never)
      const second = yield* herd.submit(task)
      yield* first.interrupt
      yield* first.interrupt
      yield* flush
      yield* open

      assert.deepStrictEqual(yield* second.await, Exit.void)
      assert.strictEqual(seen.interrupted, 0)
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("cancelling 20,000 waiting tasks needs no stack and loses none", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      yield* herd.submit(task)
      const batch = yield* start(herd.runAll(Array.from({ length: 20_000 }, () => Effect.void)))
      const { tasks: before } = yield* herd.stats
      yield* Fiber.interrupt(batch)
      yield* open
      yield* herd.awaitIdle
      const after = yield* herd.stats

      assert.strictEqual(before.queued, 20_000)
      assert.deepStrictEqual([after.tasks.interrupted, after.tasks.succeeded], [20_000, 1])
      assert.strictEqual(conserved(after), true)
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("200,000 synchronous tasks need no stack", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      let ran = 0
      const task = Effect.sync(() => ran++)
      yield* herd.runAll(Array.from({ length: 200_000 }, () => task))

      assert.strictEqual(ran, 200_000)
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  // it.live: a real process with real timers.
  it.live("a process whose herd has closed exits by itself", () =>
    Effect.gen(function* () {
      const index = fileURLToPath(new URL("../../src/index.ts", import.meta.url))
      const script = `
        import { Effect } from "effect"
        import { Lemmings, LemmingsLive } from ${JSON.stringify(index)}
        const program = Lemmings.run(Effect.succeed("ran"), { timeout: "1 hour", deadline: "1 hour" })
        console.log(await Effect.runPromise(Effect.provide(program, LemmingsLive)))`
      const output = yield* Effect.callback<string>((resume) => {
        const child = execFile(
          process.execPath,
          ["--input-type=module", "--eval", script],
          { cwd: fileURLToPath(new URL("../..", import.meta.url)), timeout: 20_000 },
          (error, stdout, stderr) =>
            resume(Effect.succeed(error === null ? stdout : `${error.message} ${stderr}`))
        )
        return Effect.sync(() => child.kill())
      })

      assert.strictEqual(output, "ran\n")
    })
  )
})

describe("p-queue: setPriority", () => {
  const order = (workers: number, change: { readonly id: string; readonly to: number }) =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const blockers = yield* Effect.forEach(Array.from({ length: workers }), () => {
        const { open, task } = gate()
        return Effect.as(herd.submit(task), open)
      })
      const handles = yield* Effect.forEach(["a", "b", "c", "d"], (name) =>
        herd.submit(note(name), { id: name, priority: 1 })
      )
      const moved = handles.find(({ id }) => id === change.id)
      const changed = moved === undefined ? undefined : yield* moved.setPriority(change.to)
      for (const open of blockers) yield* open
      yield* herd.awaitIdle
      return { changed, log: log.join("") }
    }).pipe(Effect.provide(bare({ workers: { max: workers } })))

  it.effect.each([
    [1, "c", 2, "cabd"],
    [1, "a", 0, "bcda"],
    [1, "b", 1, "abcd"],
    [2, "d", 9, "dabc"],
    [3, "c", 2, "cabd"]
  ] as const)("with %i workers task %s moved to level %i gives the order %s", ([workers, id, to, expected]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* order(workers, { id, to }), { changed: true, log: expected })
    })
  )

  it.effect("moving a task that runs or has ended says no and changes nothing", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { open, task } = gate()
      const handle = yield* herd.submit(task)
      const running = yield* handle.setPriority("critical")
      yield* open
      yield* handle.join
      const ended = yield* handle.setPriority("critical")

      assert.deepStrictEqual([running, ended], [false, false])
    }).pipe(Effect.provide(bare()))
  )

  it.effect("a moved task keeps its age among those of its new level", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger()
      const { open, task } = gate()
      yield* herd.submit(task)
      const old = yield* herd.submit(note("old"), { priority: "low" })
      yield* herd.submit(note("young"), { priority: "high" })
      yield* old.setPriority("high")
      yield* open
      yield* herd.awaitIdle

      assert.deepStrictEqual(log, ["old", "young"])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )

  it.effect("order holds when tasks of equal levels come after some have been taken", () =>
    Effect.gen(function* () {
      const herd = yield* Bare
      const { log, note } = logger<number>()
      yield* herd.pause
      for (let n = 0; n < 6; n++) yield* herd.submit(note(n), { priority: n % 2 })
      yield* herd.submit(Effect.andThen(herd.pause, note(100)), { priority: 1 })
      yield* herd.resume
      yield* flush
      for (let n = 6; n < 10; n++) yield* herd.submit(note(n), { priority: n % 2 })
      yield* herd.resume
      yield* herd.awaitIdle

      assert.deepStrictEqual(log, [1, 3, 5, 100, 7, 9, 0, 2, 4, 6, 8])
    }).pipe(Effect.provide(bare({ workers: { max: 1 } })))
  )
})
