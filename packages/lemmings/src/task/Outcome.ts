/** An exit that comes once, and those who wait for it. */
import { Effect, type Exit } from "effect"
import * as Fibers from "../internal/Fibers.ts"

type Listener = (exit: Exit.Exit<unknown, unknown>) => void

/** A cell for one exit. Whoever fills `exit` has `deliver` called afterwards. */
export class Outcome {
  // Declared, and written once by the constructor: there is one for each task, and a field with a place of its own in every
  // class of the line is written twice.
  declare exit: Exit.Exit<unknown, unknown> | undefined
  /** One listener is by far the commonest number. */
  declare private listeners: Listener | Array<Listener> | undefined

  constructor() {
    this.exit = undefined
    this.listeners = undefined
  }

  /** The exit, if it has come. */
  end(): Exit.Exit<unknown, unknown> | undefined {
    return this.exit
  }

  get await(): Effect.Effect<Exit.Exit<unknown, unknown>> {
    return Effect.callback((resume) => {
      const exit = this.end()
      if (exit !== undefined) return resume(Effect.succeed(exit))
      const listener: Listener = (exit) => resume(Effect.succeed(exit))
      this.listen(listener)
      this.awaitedBy(Fibers.here())
      return Effect.sync(() => this.forget(listener))
    })
  }
  get join(): Effect.Effect<unknown, unknown> {
    return Effect.flatMap(this.await, (exit) => exit)
  }

  /** A fiber waits for the exit. */
  awaitedBy(_fiber: Fibers.Running | undefined): void {}
  get awaited(): boolean {
    return this.listeners !== undefined
  }
  listen(listener: Listener): void {
    if (this.listeners === undefined) this.listeners = listener
    else if (typeof this.listeners === "function") this.listeners = [this.listeners, listener]
    else this.listeners.push(listener)
  }
  private forget(listener: Listener): void {
    if (this.listeners === listener) this.listeners = undefined
    else if (Array.isArray(this.listeners))
      this.listeners = this.listeners.filter((other) => other !== listener)
  }
  /** Tells every listener, and then throws what some of them threw. */
  deliver(): void {
    const { listeners } = this
    if (listeners === undefined) return
    const exit = this.end()
    this.listeners = undefined
    if (exit === undefined) return
    if (typeof listeners === "function") return listeners(exit)
    const thrown: Array<unknown> = []
    for (const listener of listeners) {
      try {
        listener(exit)
      } catch (defect) {
        thrown.push(defect)
      }
    }
    if (thrown.length > 0) throw thrown.length === 1 ? thrown[0] : new AggregateError(thrown)
  }
}
