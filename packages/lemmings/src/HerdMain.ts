/**
 * The life of a process whose work is done by herds: it runs the main program, and when a signal comes it finishes what
 * was accepted before it ends.
 *
 * - The first SIGTERM, SIGINT or SIGHUP: the process is not ready any more (`HerdRegistry.stopping`), and after `shutdownDelay`
 *   every herd stops while the main program goes on. When all are closed their reports are logged, the main fiber is
 *   interrupted, and the process exits.
 * - The second: every herd interrupts its tasks at once.
 * - The third: the process exits, whatever is left.
 *
 * **Exit codes**
 *
 * - 0: everything accepted was finished, and the main program did not fail.
 * - 1, or the `Runtime.errorExitCode` of its error: the main program failed by itself.
 * - 143 (SIGTERM), 130 (SIGINT) or 129 (SIGHUP), by the latest signal: tasks were interrupted, abandoned or leaked, the main program did
 *   not end in time, or the third signal came.
 *
 * A main program that ends by itself without a signal ends the process as `NodeRuntime.runMain` does.
 *
 * @since 0.3.0
 */
import { Cause, Context, Duration, Effect, type Exit, type Fiber, Runtime, Schedule } from "effect"
import { dual } from "effect/Function"
import * as Durations from "./model/Durations.ts"
import { HerdClosed, InvalidConfig, PoolClosed } from "./model/HerdError.ts"
import type { HerdKind } from "./model/HerdEvent.ts"
import { HerdRegistry, type ManagedHerd, type StopOptions } from "./registry/HerdRegistry.ts"
import type { ShutdownReport } from "./model/HerdStats.ts"
import * as Fibers from "./internal/Fibers.ts"
import { titled } from "./internal/Line.ts"
import * as MainLife from "./internal/MainLife.ts"

/**
 * How a process stops.
 *
 * @category models
 * @since 0.3.0
 */
export interface Options {
  /**
   * Time between the first signal, when the process says that it is not ready, and the stop of its herds, which go on
   * accepting until then: time for load balancers to look elsewhere. A second signal or the end of the main program ends
   * it. Defaults to 0.
   */
  readonly shutdownDelay?: Duration.Input | undefined
  /**
   * Time limits of the herds. Each defaults to what the herd was configured with, which is also what counts for a herd that
   * a second signal reaches before it was told to stop.
   */
  readonly limits?: StopOptions | undefined
  /**
   * Which herds stop first. `"together"`: all at once. `"lastFirst"`: one after the other, the latest first, for herds whose
   * tasks use an earlier herd or pool. Defaults to `"together"`.
   */
  readonly order?: "together" | "lastFirst" | undefined
  /**
   * Longest wait for the main program to end after all herds are closed and it has been interrupted. Then the process exits
   * with the code of the signal. A program in an uninterruptible step, such as a finalizer, may finish that in the first half
   * before it is interrupted. Defaults to 10 seconds.
   */
  readonly exitAfter?: Duration.Input | undefined
  /**
   * The registry whose herds are stopped. The main program finds it in its context, so it needs no `HerdRegistry.layer`;
   * herds below a layer of their own are not seen here. Defaults to the registry of the process.
   */
  readonly registry?: HerdRegistry | undefined
  /**
   * Signals that end the process. Leave out SIGHUP where it means something else, such as to read a file again, and listen to
   * it yourself: without a listener it ends a process at once. Defaults to SIGTERM, SIGINT and SIGHUP.
   */
  readonly signals?: ReadonlyArray<"SIGTERM" | "SIGINT" | "SIGHUP"> | undefined
  /** Does not log a failure of the main program, nor of its finalizers. */
  readonly disableErrorReporting?: boolean | undefined
}

/** Where the program writes to. */
interface Output {
  readonly on?: (event: "error", listener: (error: unknown) => void) => unknown
  readonly listenerCount?: (event: "error") => number
}

/** What is used of Node.js. Elsewhere any part may be missing, or throw. */
interface Host {
  readonly stdout?: Output
  readonly stderr?: Output
  readonly on?: (signal: string, listener: () => void) => unknown
  readonly removeListener?: (signal: string, listener: () => void) => unknown
  readonly exit?: (code: number) => unknown
}

interface Settings {
  readonly shutdownDelay: number
  readonly exitAfter: number
  readonly limits: StopOptions | undefined
  readonly inTurn: boolean
  readonly signals: ReadonlyArray<MainLife.Signal>
}

/** A herd that the process has to see closed before it ends. */
interface Held {
  readonly name: string
  readonly herd: ManagedHerd
  /** Tasks that callers had interrupted when the signal came. */
  readonly withdrawnBefore: number
  told: boolean
}

/** How a herd ended. */
interface Closed {
  readonly name: string
  readonly kind: HerdKind
  readonly took: Duration.Duration
  readonly exit: Exit.Exit<ShutdownReport, unknown>
  /** Accepted tasks that their callers interrupted since the signal. */
  readonly withdrawn: number
}

const defaults: Settings = {
  shutdownDelay: 0,
  exitAfter: 10_000,
  limits: undefined,
  inTurn: false,
  signals: MainLife.signals
}
const orders: ReadonlyArray<string> = ["together", "lastFirst"]
// Turns of the event loop in which the program hears that its herds are closed.
const turnsToHear = 50
// Milliseconds that the longest timer waits.
const longest = 2 ** 31 - 1

const isClosed = (error: unknown) => error instanceof HerdClosed || error instanceof PoolClosed

const attempt = (act: () => unknown): void => {
  try {
    act()
  } catch {
    // A runtime without signals.
  }
}

/**
 * Ctrl+C ends `tee` before it ends us, and a write to a pipe without a reader would end the process in the middle of its
 * work. Stays until the end: even the last line of the log is such a write.
 */
const outlive = (output: Output | undefined): void => {
  output?.on?.("error", (error) => {
    // Whatever else happens to a stream nobody listens to is for the process, as without us.
    if (!MainLife.isReaderGone(error) && output.listenerCount?.("error") === 1) throw error
  })
}

const settingsOf = (options: Options): Settings | InvalidConfig => {
  const durations = {
    shutdownDelay: options.shutdownDelay,
    exitAfter: options.exitAfter,
    "limits.drain": options.limits?.drain,
    "limits.interrupt": options.limits?.interrupt,
    "limits.destroy": options.limits?.destroy
  }
  for (const [field, value] of Object.entries(durations)) {
    if (value !== undefined && Durations.any.millis(value) === undefined) {
      return new InvalidConfig({ field, value, rule: Durations.any.text })
    }
  }
  const { order = "together" } = options
  if (!orders.includes(order)) {
    return new InvalidConfig({ field: "order", value: order, rule: `one of ${orders.join(", ")}` })
  }
  const { signals = defaults.signals } = options
  for (const signal of signals) {
    if (!MainLife.signals.includes(signal)) {
      return new InvalidConfig({
        field: "signals",
        value: signal,
        rule: `some of ${MainLife.signals.join(", ")}`
      })
    }
  }
  return {
    shutdownDelay: Durations.any.millis(options.shutdownDelay) ?? defaults.shutdownDelay,
    exitAfter: Durations.any.millis(options.exitAfter) ?? defaults.exitAfter,
    limits: options.limits,
    inTurn: order === "lastFirst",
    signals: [...new Set(signals)]
  }
}

const lostIn = ({ exit, withdrawn }: Closed, withCallers: boolean): number => {
  if (exit._tag === "Failure") return 1
  const { abandoned, interrupted, leaked } = exit.value
  return interrupted + abandoned + leaked + (withCallers ? withdrawn : 0)
}

const logLine = (closed: Closed): Effect.Effect<void> => {
  const { exit, kind, name, took, withdrawn } = closed
  if (exit._tag === "Failure") return Effect.logError(`${titled(kind, name)}: the stop failed`, exit.cause)
  const { abandoned, completed, interrupted, leaked } = exit.value
  const text =
    `${titled(kind, name)}: closed after ${Math.round(Duration.toMillis(took))} ms, ${completed} completed, ${interrupted} interrupted, ` +
    `${abandoned} abandoned, ${leaked} leaked, ${withdrawn} withdrawn`
  return lostIn(closed, true) > 0 ? Effect.logWarning(text) : Effect.logInfo(text)
}

/** One process on its way: it keeps the state, and does the steps that `MainLife` says. */
class Life {
  private state = MainLife.initial
  private fiber: Fiber.Fiber<unknown, unknown> | undefined
  private readonly seen = new Set<ManagedHerd>()
  private readonly open = new Set<Held>()
  private readonly closed: Array<Closed> = []
  private reported = 0
  private exit: Exit.Exit<unknown, unknown> | undefined
  private interrupted = false
  private readonly listeners: ReadonlyArray<{
    readonly signal: MainLife.Signal
    readonly listener: () => void
  }>
  private readonly host: Host | undefined
  private readonly base: HerdRegistry
  private readonly settings: Settings
  /** What the main program sees: the registry, with an eye on who comes. */
  readonly registry: HerdRegistry

  constructor(host: Host | undefined, base: HerdRegistry, settings: Settings) {
    this.host = host
    this.base = base
    this.settings = settings
    this.listeners = settings.signals.map((signal) => ({
      signal,
      listener: () => this.tell({ _tag: "Signal", signal })
    }))
    this.registry = {
      herds: () => base.herds(),
      stopping: () => base.stopping(),
      stop: () => base.stop(),
      add: (herd) => {
        const remove = base.add(herd)
        this.look()
        return remove
      }
    }
  }

  begin(fiber: Fiber.Fiber<unknown, unknown>): void {
    this.fiber = fiber
    attempt(() => outlive(this.host?.stdout))
    attempt(() => outlive(this.host?.stderr))
    for (const { listener, signal } of this.listeners) attempt(() => this.host?.on?.(signal, listener))
    Fibers.onEnd(fiber, (exit) => {
      this.exit = exit
      this.tell({ _tag: "MainEnded" })
    })
  }

  ownFailure<E>(cause: Cause.Cause<E>): Cause.Cause<E> | undefined {
    return MainLife.ownFailure(cause, this.state.phase === "running" ? () => false : isClosed)
  }

  /** Takes note of herds that came. Before a signal nobody needs to. */
  private look(): void {
    if (this.state.phase === "running") return
    for (const [name, herd] of this.base.herds()) {
      if (this.seen.has(herd)) continue
      const held = { name, herd, withdrawnBefore: Effect.runSync(herd.stats).tasks.interrupted, told: false }
      this.seen.add(herd)
      this.open.add(held)
      this.tell({ _tag: "HerdSeen" })
    }
  }

  private tell(input: MainLife.Input): void {
    // A herd may have come to the registry unseen, by way of another runtime.
    if (input._tag !== "HerdSeen") this.look()
    const [state, steps] = MainLife.next(this.state, input)
    this.state = state
    for (const step of steps) this.act(step)
  }

  private act(step: MainLife.Step): void {
    const { exitAfter, shutdownDelay } = this.settings
    switch (step) {
      case "announce":
        return this.announce()
      case "delay":
        return shutdownDelay > 0
          ? this.later(shutdownDelay, { _tag: "DelayOver" })
          : this.tell({ _tag: "DelayOver" })
      case "stop":
        return this.stop()
      case "kill":
        return this.kill()
      case "report":
        return this.report()
      case "interrupt":
        this.later(exitAfter, { _tag: "Overdue" })
        return this.interrupt()
      case "leave":
        return this.leave()
      case "giveUp":
        this.log(
          Effect.logError(
            `the program has not ended ${exitAfter} ms after its herds had closed, and is left behind`
          )
        )
        return this.quit()
      case "quit":
        this.log(Effect.logError(`${this.state.signal}: leaving ${this.openHerds()} behind`))
        return this.quit()
    }
  }

  private announce(): void {
    this.base.stop()
    // The main fiber may end before herds that are not in its scopes.
    this.run(Effect.forever(Effect.sleep(longest)))
    this.look()
    const delay = this.settings.shutdownDelay
    const when = delay > 0 ? `in ${delay} ms` : "now"
    this.log(Effect.logInfo(`${this.state.signal}: not ready for more, stopping ${this.openHerds()} ${when}`))
  }

  /** Tells every herd that has not been told, and hears from each once. */
  private stop(): void {
    const untold = [...this.open].filter(({ told }) => !told)
    for (const held of untold) held.told = true
    const stops = untold.map((held) => this.ending(held, held.herd.stop(this.settings.limits)))
    this.run(
      Effect.all(this.settings.inTurn ? stops.toReversed() : stops, {
        concurrency: this.settings.inTurn ? 1 : "unbounded",
        discard: true
      })
    )
  }

  private kill(): void {
    if (this.open.size > 0) {
      this.log(Effect.logWarning(`${this.state.signal} again: interrupting ${this.openHerds()} now`))
    }
    for (const held of this.open) {
      held.told = true
      this.run(this.ending(held, held.herd.kill))
    }
  }

  private openHerds(): string {
    return this.open.size === 1 ? "1 herd" : `${this.open.size} herds`
  }

  private ending(held: Held, stop: Effect.Effect<ShutdownReport, unknown>): Effect.Effect<void> {
    return Effect.map(Effect.timed(Effect.exit(stop)), ([took, exit]) => {
      // A herd that was told twice is heard once.
      if (!this.open.delete(held)) return
      const withdrawn = Effect.runSync(held.herd.stats).tasks.interrupted - held.withdrawnBefore
      this.closed.push({ name: held.name, kind: held.herd.kind, took, exit, withdrawn })
      this.tell({ _tag: "HerdClosed" })
    })
  }

  private report(): void {
    const news = this.closed.slice(this.reported)
    this.reported = this.closed.length
    this.log(Effect.forEach(news, logLine, { discard: true }))
  }

  private interrupt(): void {
    const { fiber } = this
    if (fiber === undefined) return
    const now = Effect.sync(() => {
      if (Fibers.exitOf(fiber) !== undefined) return
      this.interrupted = true
      Fibers.interrupt(fiber, fiber.id)
    })
    // A program that is ending by itself would forget its failure for an interruption. It hears of its herds when we do, and
    // may wait in a finalizer.
    const turns = Effect.repeat(Effect.yieldNow, { times: turnsToHear })
    const masked = Effect.sync(() => Fibers.isMasked(fiber) && Fibers.exitOf(fiber) === undefined)
    const settled = Effect.repeat(masked, { schedule: Schedule.spaced(5), while: (still) => still })
    const patience = this.settings.exitAfter / 2
    this.run(turns.pipe(Effect.andThen(Effect.timeoutOption(settled, patience)), Effect.andThen(now)))
  }

  private leave(): void {
    const { closed, exit, interrupted } = this
    const { signal } = this.state
    if (exit === undefined) return
    let lost = 0
    for (const each of closed) lost += lostIn(each, !interrupted)
    const code = MainLife.exitCode(exit, { signal, lost, isClosed })
    // With the listeners in place: one signal more must not end the process another way.
    if (signal !== undefined || code !== 0) this.host?.exit?.(code)
    this.unlisten()
  }

  private quit(): void {
    const { signal } = this.state
    if (signal !== undefined) this.host?.exit?.(MainLife.signalCode(signal))
  }

  private unlisten(): void {
    for (const { listener, signal } of this.listeners) {
      attempt(() => this.host?.removeListener?.(signal, listener))
    }
  }

  private later(millis: number, input: MainLife.Input): void {
    this.run(
      Effect.andThen(
        Effect.sleep(millis),
        Effect.sync(() => this.tell(input))
      )
    )
  }

  /** Loggers are those of the place in the main program that runs now. */
  private log(lines: Effect.Effect<void>): void {
    Fibers.start(this.fiber?.context ?? Context.empty(), lines)
  }

  private run(effect: Effect.Effect<void>): void {
    Fibers.start(Context.empty(), effect)
  }
}

const start = <A, E>(effect: Effect.Effect<A, E>, options: Options = {}): void => {
  const settings = settingsOf(options)
  const invalid = settings instanceof InvalidConfig
  const host: { readonly process?: Host } = globalThis
  const life = new Life(
    host.process,
    options.registry ?? Context.get(Context.empty(), HerdRegistry),
    invalid ? defaults : settings
  )
  const program: Effect.Effect<A, E | InvalidConfig> = invalid ? Effect.fail(settings) : effect
  const reported =
    options.disableErrorReporting === true
      ? program
      : // A finalizer that fails in an interrupted program is heard here alone.
        Effect.onExit(program, (exit) => {
          if (exit._tag === "Success") return Effect.void
          const own = life.ownFailure(exit.cause)
          if (own === undefined || !Runtime.getErrorReported(Cause.squash(own))) return Effect.void
          return Effect.logError(exit.cause)
        })
  Runtime.makeRunMain(({ fiber }) => life.begin(fiber))(
    Effect.provideService(reported, HerdRegistry, life.registry),
    { disableErrorReporting: true }
  )
}

/**
 * Runs a program as the main program of the process, and ends the process well when a signal comes.
 *
 * **When to use**
 *
 * Use instead of `NodeRuntime.runMain` in a process with herds. Where there is no `process`, such as in a browser, it only
 * runs the program.
 *
 * **Details**
 *
 * Stopping takes at most `shutdownDelay`, the limits of the herds (`drain + interrupt + 2 * destroy`), and `exitAfter`.
 * The program goes on until all its herds are closed, so that a server still answers; submitting to a herd that stops
 * fails with `HerdClosed`, and a program that fails with it because of the stop has not failed. Herds that come while the
 * process stops are stopped too.
 *
 * The program may end before its herds are closed. Then they close with its scopes, and tasks that it interrupts by its end
 * (`withdrawn` in the log) count as lost.
 *
 * **Example** (A worker process)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { HerdMain, LemmingsLive } from "lemmings"
 *
 * HerdMain.runMain(Layer.launch(LemmingsLive), { shutdownDelay: "5 seconds" })
 * ```
 *
 * @category running
 * @since 0.3.0
 */
export const runMain: {
  (options?: Options): <A, E>(effect: Effect.Effect<A, E>) => void
  <A, E>(effect: Effect.Effect<A, E>, options?: Options): void
} = dual((args) => Effect.isEffect(args[0]), start)
