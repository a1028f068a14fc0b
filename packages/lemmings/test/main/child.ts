/** Programs in processes of their own, ended with the test whatever happens. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"

export interface Child {
  readonly pid: number | undefined
  /** What it has written so far. */
  readonly output: () => string
  /** Waits until it has written some text, or fails when it ends without. */
  readonly wrote: (text: string) => Effect.Effect<void>
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  readonly ended: Effect.Effect<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** Starts a fixture. */
export const launch = (fixture: string, argument: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          process.execPath,
          [fileURLToPath(new URL(`./fixtures/${fixture}`, import.meta.url)), argument],
          {
            stdio: ["ignore", "pipe", "pipe"]
          }
        )
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    (child): Child => {
      let output = ""
      let end: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined
      const waiting = new Set<() => void>()
      const changed = () => {
        for (const check of waiting) check()
      }
      const add = (chunk: Buffer) => {
        output += chunk.toString()
        changed()
      }
      child.stdout.on("data", add)
      child.stderr.on("data", add)
      child.once("close", (code, signal) => {
        end = { code, signal }
        changed()
      })
      const until = <A>(found: () => Effect.Effect<A> | undefined) =>
        Effect.callback<A>((resume) => {
          const check = () => {
            const result = found()
            if (result === undefined) return
            waiting.delete(check)
            resume(result)
          }
          waiting.add(check)
          check()
          return Effect.sync(() => waiting.delete(check))
        })
      return {
        pid: child.pid,
        output: () => output,
        wrote: (text) =>
          until(() => {
            if (output.includes(text)) return Effect.void
            return end && Effect.die(new Error(`ended without "${text}": ${JSON.stringify(end)}\n${output}`))
          }),
        signal: (name) => Effect.sync(() => child.kill(name)),
        ended: until(() => end && Effect.succeed(end))
      }
    }
  )
