/** Drives a herd and its model by the same random commands, and compares them after each. */
import { assert } from "@effect/vitest"
import { Cause, Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { Herd, type HerdConfig, type HerdState, type ShutdownReport, type TaskHandle } from "lemmings"
import { VirtualTime } from "lemmings/testing"
import { mulberry } from "../internal/mulberry.ts"
import { checkAlways, Failure, outcomeOf, pollOf, type Setup } from "./checks.ts"
import { HerdModel, type ModelTask } from "./HerdModel.ts"

export type { Setup } from "./checks.ts"

/** A resource, and whether a task uses it now. */
interface Thing {
  inUse: boolean
  alive: boolean
}
class Things extends Context.Service<Things, Thing>()("test/Things") {}

interface Driven extends ModelTask {
  gate: Deferred.Deferred<number, Failure>
  readonly released: Deferred.Deferred<void>
  /** The submission, or for `run` and `runNow` the whole task. */
  caller: Fiber.Fiber<TaskHandle<number, unknown> | number, unknown>
  handle: TaskHandle<number, unknown> | undefined
  /** Not one of a `runAll`, which can only be interrupted as a whole. */
  alone: boolean
  exit: Exit.Exit<unknown, unknown> | undefined
}

const maxRequeues = 2
const retryDelay = 100
const levels = [0, 5, 5, 5, 10, 20, -3]

/** One run of `length` commands. Returns the commands done. */
export const drive = (setup: Setup, seed: number, length: number) =>
  Effect.gen(function* () {
    const random = mulberry(seed)
    const below = (n: number) => Math.floor(random() * n)
    const pick = <A>(items: ReadonlyArray<A>): A | undefined => items[below(items.length)]
    const time = yield* VirtualTime
    const capacity = setup.capacity === "unbounded" ? Infinity : setup.capacity
    const ageing = setup.ageing === "never" ? Infinity : setup.ageing
    const model = new HerdModel({ capacity, overflow: setup.overflow, ageing, maxRequeues, retryDelay })
    const tasks: Array<Driven> = []
    const starts: Array<{ readonly n: number; readonly at: number }> = []
    const said: Array<string> = []
    let now = 0
    let workersBefore = 0
    let target = 1 + below(4)
    let bounds = { min: 1, max: 5 }
    // What `resize` has set, until the policy may choose again.
    let pinned = setup.elastic !== true

    // ------------------------------------------------------------ the world of the workers
    const world = {
      created: 0,
      destroyed: 0,
      onCreate: "works",
      onDestroy: "works",
      hung: Deferred.makeUnsafe<void>(),
      wrong: new Array<string>()
    }
    const onCreate = Effect.gen(function* () {
      if (world.onCreate === "fails") return yield* Effect.fail("no resource")
      if (world.onCreate === "hangs") yield* Deferred.await(world.hung)
      world.created++
      const thing: Thing = { alive: true, inUse: false }
      return thing
    })
    const onDestroy = (thing: Thing) =>
      Effect.gen(function* () {
        if (!thing.alive) world.wrong.push("a resource was destroyed twice")
        // A herd that closes leaves behind a task that does not end in time, and destroys its resource.
        if (thing.inUse && open()) world.wrong.push("the resource of a running task was destroyed")
        thing.alive = false
        world.destroyed++
        if (world.onDestroy === "slow") yield* Effect.sleep("30 millis")
        if (world.onDestroy === "fails") return yield* Effect.fail("no destruction")
      })

    let state: HerdState = "running"
    const open = () => state === "running" || state === "draining"

    // ------------------------------------------------------------ the herd
    const common = {
      workers: { ...bounds, initial: target },
      scaling: setup.elastic === true ? "auto" : "fixed",
      // Short, so that workers come and go for every reason there is.
      ...(setup.elastic === true && setup.resource
        ? ({ idleTimeToLive: "1 second", maxLifetime: "3 seconds", maxUses: 5, maxCreating: 2 } as const)
        : {}),
      queue: { capacity: setup.capacity, overflow: setup.overflow, ageing: setup.ageing },
      shutdown: { drain: "2 seconds", interrupt: "1 second", destroy: "1 second" },
      createTimeout: "1 second",
      maxRequeues,
      maxTemporary: 2,
      spares: setup.resource && seed % 2 === 0 ? 1 : 0,
      checkHealth: (cause: Cause.Cause<unknown>) => {
        const error = Cause.squash(cause)
        return !(error instanceof Failure && error.unhealthy)
      }
    } as const
    const plain = setup.overflow
    class Plain extends Herd.Service<Plain>()("test/Plain", { overflow: plain, sheds: true }) {}
    class Owning extends Herd.Service<Owning>()("test/Owning", {
      overflow: plain,
      sheds: true,
      resource: Things
    }) {}
    const createRetry = Schedule.spaced("40 millis")
    const herd: Herd.Herd<{
      readonly overflow: HerdConfig.Overflow
      readonly sheds: true
      readonly resource: typeof Things
    }> = setup.resource
      ? Context.get(
          yield* Layer.build(
            Owning.layer({ ...common, onCreate, onDestroy, onInterrupt: () => Effect.yieldNow, createRetry })
          ),
          Owning
        )
      : Context.get(yield* Layer.build(Plain.layer(common)), Plain)

    const body = (task: () => Driven) => {
      const attempt = Effect.gen(function* () {
        const self = task()
        starts.push({ n: self.n, at: yield* Clock.currentTimeMillis })
        if (self.instant) return self.n
        self.gate = Deferred.makeUnsafe()
        const work = Deferred.await(self.gate)
        return yield* self.stubborn ? Effect.onInterrupt(work, () => Deferred.await(self.released)) : work
      })
      if (!setup.resource) return attempt
      return Effect.acquireUseRelease(
        Effect.gen(function* () {
          const thing = yield* Things
          if (!thing.alive) world.wrong.push("a task got a dead resource")
          if (thing.inUse) world.wrong.push("a resource was leased twice")
          thing.inUse = true
          return thing
        }),
        () => attempt,
        (thing) =>
          Effect.sync(() => {
            thing.inUse = false
          })
      )
    }

    let stats = yield* herd.stats
    const leasable = () => !stats.paused && stats.workers.idle > 0
    const free = () => leasable() && model.queued === 0 && model.admitting === 0

    // ------------------------------------------------------------ commands
    const make = Effect.fnUntraced(function* (level: number, once: boolean, retries: number) {
      const task: Driven = {
        n: tasks.length,
        level,
        at: now,
        once,
        retries,
        instant: random() < 0.15,
        stubborn: random() < 0.1,
        phase: "queued",
        due: 0,
        requeues: 0,
        outcome: undefined,
        ending: false,
        gate: Deferred.makeUnsafe(),
        released: Deferred.makeUnsafe(),
        caller: yield* Effect.forkChild(Effect.never),
        handle: undefined,
        alone: true,
        exit: undefined
      }
      tasks.push(task)
      return task
    })
    /** Tasks that are accepted together, in a herd that has room for all of them. */
    const runAll = Effect.gen(function* () {
      if (capacity !== Infinity) return "no runAll"
      const level = pick(levels) ?? 5
      const once = random() < 0.5
      const all: Array<Driven> = []
      for (let left = 1 + below(6); left > 0; left--) all.push(yield* make(level, once, 0))
      for (const task of all) {
        task.alone = false
        model.submit(task, false, true)
      }
      const works = all.map((task) => body(() => task))
      const caller = yield* Effect.forkChild(herd.runAll(works, { priority: level, once, mode: "settle" }), {
        startImmediately: true
      })
      caller.addObserver((exit) => {
        all.forEach((task, i) => {
          task.exit = exit._tag === "Success" ? exit.value[i] : exit
        })
      })
      return `runAll of ${all.map(({ n }) => n).join()} at level ${level}`
    })
    const submit = (via: "submit" | "run" | "offer" | "runNow") =>
      Effect.gen(function* () {
        const n = tasks.length
        const once = via === "runNow" || random() < 0.2
        const retries = once || random() < 0.5 ? 0 : 1 + below(2)
        const task = yield* make(via === "runNow" ? 1_000_000_000 : (pick(levels) ?? 5), once, retries)
        const past = via === "runNow" && stats.state === "running" && !stats.paused
        const waitsFirst =
          past &&
          setup.resource &&
          stats.workers.idle === 0 &&
          stats.resources.spares === 0 &&
          stats.resources.temporary >= common.maxTemporary
        const idle = free()
        const rejects = setup.overflow === "reject" && !stats.paused
        if (past && !waitsFirst) model.create(task)
        else if (!rejects) model.submit(task, idle, via !== "offer")
        const options = {
          priority: task.level,
          once,
          ...(retries === 0
            ? {}
            : { retry: Schedule.spaced(retryDelay).pipe(Schedule.upTo({ times: retries })) })
        }
        const work = body(() => task)
        task.caller.interruptUnsafe()
        task.caller = yield* Effect.forkChild(
          via === "run"
            ? herd.run(work, options)
            : via === "runNow"
              ? herd.runNow(work)
              : via === "submit"
                ? herd.submit(work, options)
                : herd.offer(work, options),
          { startImmediately: true }
        )
        if (rejects && (!past || waitsFirst)) {
          // Being asked may have brought a worker.
          // A worker that comes takes who waits already, before this one is accepted.
          const sooner = starts.filter((one) => one.n !== n)
          if (sooner.length > 0) {
            const own = starts.filter((one) => one.n === n)
            starts.splice(0, starts.length, ...own)
            for (const { at, n: other } of sooner) model.started(other, at)
          }
          const before = stats.workers
          const { workers: after } = yield* herd.stats
          const coming = Math.max(
            before.idle + before.starting,
            after.idle + after.starting,
            after.size - before.size
          )
          model.submit(task, idle, via !== "offer", coming)
        }
        task.caller.addObserver((exit) => {
          if (exit._tag === "Success" && typeof exit.value === "object") task.handle = exit.value
          else task.exit = exit
        })
        return `${via} ${n} at level ${task.level}${once ? ", once" : ""}${retries > 0 ? `, ${retries} retries` : ""}${
          task.instant ? ", instant" : ""
        }${task.stubborn ? ", stubborn" : ""}`
      })
    const end = (how: "succeeded" | "failed" | "unhealthy" | "died") =>
      Effect.sync(() => {
        const task = pick(tasks.filter(({ phase }) => phase === "running"))
        if (task === undefined) return `nobody ${how}`
        if (task.ending) Deferred.doneUnsafe(task.released, Exit.void)
        else if (how === "succeeded") Deferred.doneUnsafe(task.gate, Exit.succeed(task.n))
        else if (how === "died") Deferred.doneUnsafe(task.gate, Exit.die("defect"))
        else Deferred.doneUnsafe(task.gate, Exit.fail(new Failure(how === "unhealthy")))
        model.ended(task, how, now)
        return `${task.n} ${how}`
      })
    const interrupt = Effect.gen(function* () {
      const live = tasks.filter(({ alone, ending, phase }) => alone && phase !== "done" && !ending)
      const task = pick(live)
      if (task === undefined) return "interrupt nobody"
      model.interrupt(task)
      yield* Effect.forkChild(
        task.handle === undefined ? Fiber.interrupt(task.caller) : task.handle.interrupt,
        {
          startImmediately: true
        }
      )
      return `interrupt ${task.n}`
    })
    const setPriority = Effect.gen(function* () {
      const task = pick(tasks.filter(({ handle }) => handle !== undefined))
      const level = pick(levels) ?? 5
      if (task?.handle === undefined) return "set no priority"
      const waits = task.phase === "queued" || task.phase === "delayed"
      model.setLevel(task, level)
      assert.strictEqual(
        yield* task.handle.setPriority(level),
        waits,
        "setPriority says whether the task waits"
      )
      return `priority of ${task.n} is ${level}`
    })
    const advance = Effect.gen(function* () {
      const millis = pick([1, 10, 50, 50, 100, 100, 400, 2000]) ?? 1
      now += millis
      yield* TestClock.adjust(millis)
      return `advance ${millis}`
    })
    const turn = (what: "onCreate" | "onDestroy", how: string) =>
      Effect.sync(() => {
        if (!setup.faults) return "no faults"
        if (world[what] === "hangs") {
          const { hung } = world
          world.hung = Deferred.makeUnsafe()
          Deferred.doneUnsafe(hung, Exit.void)
        }
        world[what] = how
        return `${what} ${how}`
      })
    const reports: Array<Fiber.Fiber<ShutdownReport, unknown>> = []
    const close = (how: "stop" | "kill") =>
      Effect.gen(function* () {
        if (model.state === "running") model.drain()
        const effect: Effect.Effect<ShutdownReport, unknown> = how === "stop" ? herd.stop() : herd.kill
        reports.push(yield* Effect.forkChild(effect, { startImmediately: true }))
        return how
      })
    const commands: ReadonlyArray<readonly [weight: number, command: Effect.Effect<string, unknown>]> = [
      [16, submit("submit")],
      [8, submit("run")],
      [4, submit("offer")],
      [2, runAll],
      [3, submit("runNow")],
      [20, end("succeeded")],
      [6, end("failed")],
      [3, end("unhealthy")],
      [2, end("died")],
      [6, interrupt],
      [4, setPriority],
      [
        3,
        Effect.suspend(() => {
          target = below(bounds.max + 1)
          pinned = true
          return Effect.as(herd.resize(target), `resize ${target}`)
        })
      ],
      [
        setup.elastic === true ? 6 : 0,
        Effect.suspend(() => {
          pinned = false
          return Effect.as(herd.resize("auto"), "resize auto")
        })
      ],
      [
        1,
        Effect.suspend(() => {
          const max = 1 + below(5)
          bounds = { min: below(max + 1), max }
          target = Math.min(Math.max(target, bounds.min), bounds.max)
          if (setup.elastic === true) pinned = false
          return Effect.as(herd.setBounds(bounds), `bounds ${bounds.min} to ${bounds.max}`)
        })
      ],
      [1, Effect.as(herd.pause, "pause")],
      [3, Effect.as(herd.resume, "resume")],
      [
        1,
        Effect.suspend(() => {
          const queued = model.queued
          model.clear()
          return Effect.map(herd.clear, (cleared) => {
            assert.strictEqual(cleared, queued, "clear says how many it shed")
            return "clear"
          })
        })
      ],
      [8, advance],
      [1, turn("onCreate", "fails")],
      [1, turn("onCreate", "hangs")],
      [4, turn("onCreate", "works")],
      [1, turn("onDestroy", "slow")],
      [1, turn("onDestroy", "fails")],
      [1, turn("onDestroy", "works")]
    ]
    const total = commands.reduce((sum, [weight]) => sum + weight, 0)
    const command = Effect.suspend(() => {
      let at = random() * total
      for (const [weight, effect] of commands) if ((at -= weight) < 0) return effect
      return advance
    })

    // ------------------------------------------------------------ the comparison
    /** Lets the herd go on, and tells the model which tasks started. */
    const follow = Effect.gen(function* () {
      yield* time.settle
      for (const { at, n } of starts.splice(0)) model.started(n, at)
      for (const task of model.in("creating")) {
        const { exit } = tasks[task.n] ?? {}
        if (exit === undefined) continue
        const outcome = outcomeOf(exit)
        assert.include(["ResourceUnavailable", "HerdClosed"], outcome, "why a runNow did not run")
        if (outcome === "HerdClosed") model.counts.rejected++
        model.end(task, outcome)
      }
      model.wake(now)
      stats = yield* herd.stats
      state = stats.state
    })
    const compare = () => {
      const { acquireTimeouts: _, timedOut: __, held, holds, ready, retriesRefused, ...counts } = stats.tasks
      // Without limits, whoever waits waits for a worker.
      assert.deepStrictEqual(
        [ready, held, holds, retriesRefused],
        [counts.queued + counts.admitting, 0, 0, 0],
        "nobody is held"
      )
      checkAlways(stats, world, setup)
      assert.deepStrictEqual(
        counts,
        {
          ...model.counts,
          queued: model.queued,
          admitting: model.admitting,
          delayed: model.in("delayed").length,
          running: model.in("running").length
        },
        "tasks are where the model has them"
      )
      assert.strictEqual(stats.queue.urgent, model.urgent, "urgent tasks")
      if (leasable())
        assert.strictEqual(model.queued + model.admitting, 0, "nobody waits while a worker is idle")
      const { workers } = stats
      assert.isAtMost(
        workers.size + workers.stopping,
        Math.max(workers.max, workersBefore),
        "never more workers than max, except when max has sunk since"
      )
      workersBefore = workers.size + workers.stopping
      if (pinned) assert.strictEqual(workers.target, target, "the target is what was asked for")
      else target = workers.target
      assert.isAtMost(workers.size, target, "never more workers than wanted")
      if (!pinned) {
        assert.isAtMost(target, bounds.max, "the policy keeps to the ceiling")
        assert.isAtLeast(target, bounds.min, "the policy keeps to the floor")
        if (!setup.resource && !stats.paused)
          assert.isTrue(
            model.queued + model.admitting === 0 || target === bounds.max,
            "nobody waits who could have a worker"
          )
      }
      assert.strictEqual(workers.base, Math.min(workers.size, bounds.min), "base workers")
      if (workers.size < target) {
        assert.isAtLeast(
          workers.size + workers.stopping,
          workers.max,
          "fewer workers than wanted only while others leave"
        )
      }
    }

    let done = 0
    const steps = Effect.gen(function* () {
      yield* follow
      const closesAt = Math.floor(length * (0.7 + 0.3 * random()))
      for (; done < length && open(); done++) {
        said.push(yield* done === closesAt ? close(random() < 0.7 ? "stop" : "kill") : command)
        yield* follow
        if (!open()) break
        // A stop unpauses; a kill has closed by now.
        if (stats.state === "running") assert.strictEqual(model.state, "running", "state")
        compare()
      }
      // The end, and the same end again.
      world.onDestroy = "works"
      state = "interrupting"
      yield* close("stop")
      yield* close(random() < 0.5 ? "stop" : "kill")
      said.push("close")
      yield* TestClock.adjust("10 seconds")
      for (const task of tasks) Deferred.doneUnsafe(task.released, Exit.void)
      yield* TestClock.adjust("10 seconds")
      stats = yield* herd.stats
      checkAlways(stats, world, setup)
      const at = "after the close"
      assert.strictEqual(stats.state, "closed", at)
      assert.strictEqual(
        stats.tasks.queued + stats.tasks.delayed + stats.tasks.running + stats.tasks.admitting,
        0,
        at
      )
      assert.strictEqual(stats.workers.size + stats.workers.stopping, 0, `${at}: workers`)
      assert.strictEqual(world.created - world.destroyed, 0, `${at}: resources`)
      const ends = yield* Effect.forEach(reports, Fiber.join)
      for (const report of ends) assert.deepStrictEqual(report, ends[0], "every stop gives the same report")
      for (const task of tasks) {
        const exit = task.exit ?? (task.handle === undefined ? undefined : yield* pollOf(task.handle))
        assert.isDefined(exit, `task ${task.n} is settled`)
        if (exit === undefined) continue
        if (task.outcome === undefined) {
          assert.include(
            ["HerdClosed", "ResourceUnavailable", "failed", "interrupted", "succeeded"],
            outcomeOf(exit),
            `task ${task.n} at the close`
          )
        } else assert.strictEqual(outcomeOf(exit), task.outcome, `outcome of task ${task.n}`)
      }
      return done
    })
    return yield* Effect.catchCause(steps, (cause) =>
      Effect.die(
        new Error(
          `seed ${seed}, ${JSON.stringify(setup)} ${said.slice(-14).join("; ")}: ${Cause.pretty(cause)}`,
          {
            cause: Cause.squash(cause)
          }
        )
      )
    )
  })
