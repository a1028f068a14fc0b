// The contract with Effect's runtime: what the herd relies on beside its documented surface. Where a release of Effect
// behaves otherwise, the failure says what has changed and who relies on it.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Logger } from "effect"
import { AsyncLocalStorage } from "node:async_hooks"
import { readFileSync } from "node:fs"
import * as Fibers from "../../src/internal/Fibers.ts"

const none = Context.empty()

type Resume = (effect: Effect.Effect<void>) => void

/** A fiber that waits until it is resumed, and then writes `text`. */
const waiting = (log: Array<string>, text: string) => {
  let resume: Resume = () => {}
  const wait = Effect.callback<void>((given) => {
    resume = given
    return Effect.sync(() => void log.push(`${text} left`))
  })
  const fiber = Fibers.start(
    none,
    Effect.andThen(
      wait,
      Effect.sync(() => void log.push(text))
    )
  )
  return { fiber, resume: () => resume(Effect.void) }
}

describe("the contract with Effect's runtime", () => {
  it("is kept by the releases that the packages admit", () => {
    for (const name of ["lemmings", "control", "durable", "threads"]) {
      const url = new URL(`../../../${name}/package.json`, import.meta.url)
      const manifest: { readonly peerDependencies: Record<string, string> } = JSON.parse(
        readFileSync(url, "utf8")
      )
      assert.strictEqual(
        manifest.peerDependencies["effect"],
        "~4.1.0",
        `${name} admits releases of Effect that these tests have not seen: run them with the new one first`
      )
    }
  })

  it("a fiber runs at once, on the stack of whoever starts it", () => {
    const log: Array<string> = []
    Fibers.start(
      none,
      Effect.sync(() => void log.push("first steps"))
    )
    log.push("started")

    assert.deepStrictEqual(
      log,
      ["first steps", "started"],
      "Effect.runForkWith does not run the first steps of a fiber before it returns any more: dispatch counts on an exit at once"
    )
  })

  it("a fiber is searched with its children, at any depth", () => {
    const { fiber: leaf } = waiting([], "leaf")
    let child: object | undefined
    const parent = Fibers.start(
      none,
      Effect.andThen(
        Effect.forkChild(
          Effect.withFiber((fiber) => {
            child = fiber
            return Effect.never
          }),
          { startImmediately: true }
        ),
        Effect.never
      )
    )

    assert.isTrue(Fibers.someOf(parent, (fiber) => fiber === parent))
    assert.isTrue(
      Fibers.someOf(parent, (fiber) => fiber === child),
      "A fiber does not keep its children in _children any more: a herd does not see that tasks wait for it in child fibers"
    )
    assert.isFalse(Fibers.someOf(parent, (fiber) => fiber === leaf))
    for (const fiber of [parent, leaf]) Fibers.interrupt(fiber)
  })

  it("a fiber whose first steps end it has its exit when it is started", () => {
    const exit = Fibers.exitOf(Fibers.start(none, Effect.succeed(1)))

    assert.deepStrictEqual(
      exit,
      Exit.succeed(1),
      "fiber.pollUnsafe() does not know the exit of a fiber that has ended: dispatch asks it instead of observing"
    )
  })

  it("whoever resumes a fiber runs it, before the call returns", () => {
    const log: Array<string> = []
    const { resume } = waiting(log, "went on")
    log.push("resuming")
    resume()
    log.push("resumed")

    assert.deepStrictEqual(
      log,
      ["resuming", "went on", "resumed"],
      "the resume of Effect.callback is not synchronous any more: the loop of the pool settles callers on its own stack"
    )
  })

  it("observers run on the stack of the end, once, in their order, and at once when it has ended", () => {
    const log: Array<string> = []
    const { fiber, resume } = waiting(log, "end")
    fiber.addObserver(() => void log.push("first"))
    fiber.addObserver(() => void log.push("second"))
    resume()
    log.push("resumed")
    Fibers.onEnd(fiber, () => void log.push("late"))
    log.push("observed")

    assert.deepStrictEqual(
      log,
      ["end", "first", "second", "resumed", "late", "observed"],
      "fiber.addObserver calls at another time or in another order: a lease ends where the fiber of its task ends"
    )
  })

  it("ours hears first, whatever observers the fiber was given before", () => {
    const log: Array<string> = []
    const { fiber, resume } = waiting(log, "end")
    fiber.addObserver(() => void log.push("theirs"))
    fiber.addObserver(() => {
      throw new Error("observer")
    })
    Fibers.onEnd(fiber, () => void log.push("ours"))

    assert.throws(resume, "observer")
    assert.deepStrictEqual(
      log,
      ["end", "ours", "theirs"],
      "fiber._observers is not the list of observers any more: a task that gives its own fiber one that throws loses its lease"
    )
  })

  it("a fiber whose own observer throws in its first steps has died of it, and does not throw at us", () => {
    const fiber = Fibers.start(
      none,
      Effect.withFiber((self) => {
        self.addObserver(() => {
          throw new Error("observer")
        })
        return Effect.void
      })
    )
    const exit = Fibers.exitOf(fiber)
    assert.isTrue(exit !== undefined && Exit.isFailure(exit) && Cause.hasDies(exit.cause))
  })

  it("an observer that throws throws at whoever ended the fiber", () => {
    const { fiber, resume } = waiting([], "end")
    let heard = false
    fiber.addObserver(() => {
      throw new Error("observer")
    })
    fiber.addObserver(() => (heard = true))

    assert.throws(
      resume,
      "observer",
      "an observer that throws is guarded by Effect now: the guards of ours can go"
    )
    assert.isFalse(heard, "observers after one that throws are called now: the guards of ours can go")
  })

  it("a fiber that waits ends on the stack of whoever interrupts it", () => {
    const log: Array<string> = []
    const { fiber } = waiting(log, "went on")
    Fibers.onEnd(fiber, (exit) => {
      if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) log.push("interrupted")
    })
    Fibers.interrupt(fiber)
    log.push("asked")

    assert.deepStrictEqual(
      log,
      ["went on left", "interrupted", "asked"],
      "fiber.interruptUnsafe() does not end a fiber that waits at once any more: stop and kill count their tasks after it"
    )
  })

  it("an interruption reaches a fiber that runs at its next step, and a masked one when the mask ends", () => {
    const log: Array<string> = []
    let self: Fibers.Running | undefined
    const { fiber: outer, resume } = waiting(log, "masked")
    void outer
    const running = Effect.withFiber((fiber) => {
      self = fiber
      Fibers.interrupt(fiber)
      log.push("goes on in its step")
      return Effect.sync(() => void log.push("next step"))
    })
    const fiber = Fibers.start(none, running)
    assert.deepStrictEqual(
      log,
      ["goes on in its step"],
      "a running fiber that is interrupted does not end at its next step any more: a task may stop itself"
    )
    assert.strictEqual<unknown>(self, fiber)
    resume()

    let go: Resume = () => {}
    const masked = Fibers.start(
      none,
      Effect.uninterruptible(
        Effect.callback<void>((given) => {
          go = given
        })
      )
    )
    Fibers.interrupt(masked)
    assert.isUndefined(
      Fibers.exitOf(masked),
      "an interruption ends a masked fiber: a lease would end before its finalizers"
    )
    assert.isTrue(
      Fibers.isMasked(masked),
      "fiber.interruptible does not tell a masked fiber any more: HerdMain would interrupt finalizers"
    )
    go(Effect.void)
    assert.isDefined(Fibers.exitOf(masked))
    assert.isFalse(Fibers.isMasked(waiting([], "").fiber))
  })

  it("a failure that nobody observes is silent", async () => {
    const heard: Array<unknown> = []
    const hear = (reason: unknown) => heard.push(reason)
    process.on("unhandledRejection", hear)
    const logger = Logger.make(({ message }) => void heard.push(message))
    const context = Context.make(Logger.CurrentLoggers, new Set([logger]))
    Fibers.start(context, Effect.die(new Error("nobody knows")))
    Fibers.start(context, Effect.andThen(Effect.yieldNow, Effect.die(new Error("nobody knows"))))
    await new Promise((resolve) => setTimeout(resolve, 5))
    process.off("unhandledRejection", hear)

    assert.deepStrictEqual(
      heard,
      [],
      "a fiber that fails unobserved is reported by Effect now: what the herd reports would be told twice"
    )
  })

  it("the context of the fiber that runs is known inside it, and empty outside", () => {
    const Name = Context.Service<string>("test/Name")
    let inner: unknown
    const seen = Fibers.exitOf(
      Fibers.start(
        Context.make(Name, "outer"),
        Effect.sync(() => {
          Fibers.start(
            Context.make(Name, "inner"),
            Effect.sync(() => (inner = Context.getOrUndefined(Fibers.contextHere(), Name)))
          )
          return Context.getOrUndefined(Fibers.contextHere(), Name)
        })
      )
    )
    const says = "Fiber.getCurrent() is not the fiber that is running: tasks would lose their services"

    assert.deepStrictEqual([seen, inner], [Exit.succeed("outer"), "inner"], says)
    assert.isUndefined(Context.getOrUndefined(Fibers.contextHere(), Name), says)
  })

  it("a fiber that waited goes on in the async context in which it began to wait", () => {
    const store = new AsyncLocalStorage<string>()
    const log: Array<string | undefined> = []
    let resume: Resume = () => {}
    const fiber = store.run("starter", () =>
      Fibers.start(
        none,
        Effect.andThen(
          Effect.callback<void>((given) => {
            resume = given
          }),
          Effect.sync(() => void log.push(store.getStore()))
        )
      )
    )
    Fibers.onEnd(fiber, () => void log.push(store.getStore()))
    store.run("resumer", () => resume(Effect.void))

    assert.deepStrictEqual(
      log,
      ["starter", "starter"],
      "a fiber does not keep its async context while it waits any more, or its observers run elsewhere: tasks would see another's request"
    )
  })
})
