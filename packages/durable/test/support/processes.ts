import { Effect, Schedule } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Orders } from "../chaos/work.ts"

/** A line of a journal. */
export interface Entry {
  readonly n: number
  readonly at: number
  readonly attempt: number
}

/** What a process wrote. A last line cut off by SIGKILL is left out. */
export const read = (journal: string) => {
  const entries = {
    began: [] as Array<Entry>,
    ended: [] as Array<Entry>,
    stored: [] as Array<Entry>,
    workers: [] as Array<Entry>
  }
  if (!existsSync(journal)) return entries
  for (const line of readFileSync(journal, "utf8").split("\n").slice(0, -1)) {
    const [what = "", n, at, attempt] = line.split(" ")
    if (what === "began" || what === "ended" || what === "stored" || what === "workers") {
      entries[what].push({ n: Number(n), at: Number(at), attempt: Number(attempt) })
    }
  }
  return entries
}

/** The numbers of entries. */
export const numbers = (entries: ReadonlyArray<Entry>) => new Set(entries.map(({ n }) => n))

/** A folder of the test's own. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "lemmings-chaos-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** The time that journals are written in. */
export const now = () => performance.timeOrigin + performance.now()

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Waits for the end of a process, which may be over. */
export const ended = (child: ChildProcess) =>
  Effect.callback<Ended>((resume) => {
    const over = () => resume(Effect.succeed({ code: child.exitCode, signal: child.signalCode }))
    if (child.exitCode !== null || child.signalCode !== null) return over()
    child.once("exit", over)
  })

/** A worker process, until it is killed or the scope closes. */
export const worker = (orders: Orders) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      fork(fileURLToPath(new URL("../chaos/worker.ts", import.meta.url)), [JSON.stringify(orders)], {
        silent: true
      })
    ),
    (child) =>
      Effect.andThen(
        Effect.sync(() => child.kill("SIGKILL")),
        ended(child)
      )
  ).pipe(
    Effect.tap((child) =>
      Effect.sync(() => {
        // A full pipe would stop it.
        child.stdout?.resume()
        child.stderr?.resume()
      })
    )
  )

/** Sends SIGKILL and waits until the process is gone. */
export const kill = (child: ChildProcess) =>
  Effect.andThen(
    Effect.sync(() => child.kill("SIGKILL")),
    ended(child)
  )

/** Waits for what other processes do. */
export const until = (condition: () => boolean, limit = 40_000) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (is: boolean) => is, schedule: Schedule.spaced("50 millis") }),
    Effect.timeout(limit)
  )
