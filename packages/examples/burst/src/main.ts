/** `node main.ts [--calm N] [--burst N] [--seconds N] [--virtual]`: a calm herd hit by ten times its load. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { columns, folding, wrap } from "@lemmings/examples-usage"
import { Cause, Console, Deferred, Effect, Fiber, Option, Random, References, Runtime, Schema } from "effect"
import { CliOutput, Command, Flag } from "effect/cli"
import { virtual } from "lemmings/testing"
import { BurstHerd } from "./BurstHerd.ts"
import { connect, pretend } from "./Connection.ts"
import { play, type Scene, type Seen } from "./Scene.ts"
import { listen } from "./Server.ts"
import { type Ended, lost, render } from "./Summary.ts"
import { watch, type Watched } from "./View.ts"

/** A command that makes no sense: exit code 2. The message is empty when it has been shown already. */
class BadUsage extends Schema.TaggedError<BadUsage>()("BadUsage", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

class TasksLost extends Schema.TaggedError<TasksLost>()("TasksLost", { count: Schema.Int }) {
  override get message() {
    return `${this.count} tasks are lost.`
  }
}

const from1 = (name: string, most: number, unit: string) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (n) => n >= 1 && n <= most,
      (n) => `Expected 1 to ${most} ${unit}, got ${n}`
    )
  )

const flags = {
  calm: from1("calm", 500, "tasks a second").pipe(
    Flag.withDescription("Tasks a second, 1 to 500. Default: 20"),
    Flag.withDefault(20)
  ),
  burst: from1("burst", 5_000, "tasks a second").pipe(
    Flag.withDescription("Tasks a second in the burst, 1 to 5000. Default: ten times --calm"),
    Flag.optional
  ),
  seconds: from1("seconds", 3_600, "seconds").pipe(
    Flag.withDescription(
      "Length of the scene, 1 to 3600: a twelfth calm, a sixth burst, the rest calm. Default: 60"
    ),
    Flag.withDefault(60)
  ),
  virtual: Flag.Boolean("virtual").pipe(
    Flag.withDescription("Play the scene in virtual time, in a second or two, without a network"),
    Flag.withDefault(false)
  )
}

/** Plays the scene, shows it, and says what came of it. */
const show = Effect.fnUntraced(function* (scene: Scene, inPlace: boolean, stop: Deferred.Deferred<void>) {
  const herd = yield* BurstHerd
  const seen: Seen = { asked: 0, answered: 0, waits: [] }
  const watched: Watched = { workerSeconds: 0, decisions: [] }
  const view = yield* Effect.forkChild(watch(watched, inPlace))
  yield* play(scene, seen, Deferred.await(stop))
  yield* Fiber.interrupt(view)
  const ended: Ended = {
    complete: !(yield* Deferred.isDone(stop)),
    stats: yield* herd.stats,
    seen,
    watched
  }
  yield* Console.log(render(ended))
  if (lost(ended) !== 0) return yield* new TasksLost({ count: lost(ended) })
})

const rounded = (n: number): number => Number(n.toPrecision(2))

const burst = Effect.fnUntraced(function* (options: {
  readonly calm: number
  readonly burst: Option.Option<number>
  readonly seconds: number
  readonly virtual: boolean
}) {
  const { calm, seconds } = options
  const scene: Scene = { calm, burst: Option.getOrElse(options.burst, () => 10 * calm), seconds }
  const first =
    `${scene.calm} tasks a second for ${rounded(seconds / 12)} s, ${scene.burst} for ${rounded(seconds / 6)} s, ` +
    `then ${scene.calm} again. Workers: █ busy, ░ idle, + starting.`
  yield* Console.log(wrap(first, columns()))

  const stop = yield* Deferred.make<void>()
  // Nobody looks any more.
  process.stdout.once("error", () => Effect.runSync(Deferred.succeed(stop, undefined)))
  const work = options.virtual
    ? virtual(Effect.provide(show(scene, false, stop), BurstHerd.live(pretend)))
    : Effect.gen(function* () {
        const port = yield* listen
        yield* Effect.provide(show(scene, process.stdout.isTTY, stop), BurstHerd.live(connect(port)))
      }).pipe(Effect.scoped)
  // Ctrl-C interrupts this fiber. The work is not its child: it is told to finish, and waited for.
  const fiber = yield* Effect.forkDetach(Random.withSeed(work, "burst"))
  yield* Fiber.join(fiber).pipe(
    Effect.onInterrupt(() =>
      Effect.suspend(() => {
        // A second Ctrl-C ends at once.
        process.once("SIGINT", () => process.exit(130))
        return Effect.andThen(Deferred.succeed(stop, undefined), Fiber.join(fiber))
      })
    )
  )
})

const command = Command.make("burst", flags, burst).pipe(
  Command.withDescription("Watch a calm herd hit by ten times its load, and why it grows and shrinks.")
)

Command.run(command, { version: "0.1.0" }).pipe(
  // The help, and what was wrong, have been shown by then.
  Effect.catchTag("ShowHelp", ({ errors }) =>
    errors.length === 0 ? Effect.void : Effect.fail(new BadUsage({ message: "" }))
  ),
  Effect.tapCause((cause) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.void
    const message = Option.match(Cause.findErrorOption(cause), {
      onNone: () => Cause.pretty(cause),
      onSome: (error) => error.message
    })
    return message === "" ? Effect.void : Console.error(message)
  }),
  // The herd logs each change of its number of workers, and the view shows them.
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  Effect.provide([
    CliOutput.layer(folding(CliOutput.defaultFormatter({ colors: false }))),
    NodeServices.layer
  ]),
  (program) => NodeRuntime.runMain(program, { disableErrorReporting: true })
)
