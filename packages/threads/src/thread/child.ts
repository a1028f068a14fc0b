/**
 * What a child process of a herd begins with, before the module of its handlers: it leaves signals to the herd, ends with
 * it, and says what it dies of. The herd's first message says what to import.
 */
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { type Dying, packDefect, type Start, startKey } from "../wire/Wire.ts"

// Ctrl+C and whoever ends a service tell every process. The herd finishes what runs here, and then ends us.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {})

// Who reads what we write may be gone, and the herd still wants its tasks.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})

process.once("disconnect", () => process.exit())
if (process.platform !== "win32") {
  // A handler may never let this event loop turn again.
  const watchdog = new URL(
    import.meta.url.endsWith(".ts") ? "./watchdog.ts" : "./watchdog.js",
    import.meta.url
  )
  new Worker(watchdog, { name: "watchdog", execArgv: [], env: {}, stdin: false }).unref()
}

process.once("message", (start: Start & { readonly module: string }) => {
  Reflect.set(globalThis, startKey, start)
  process.argv[1] = start.module.startsWith("file:") ? fileURLToPath(start.module) : start.module
  process.on("uncaughtExceptionMonitor", (error) => {
    if (process.connected) process.send?.({ dying: start.tag, cause: packDefect(error) } satisfies Dying)
  })
  // From here on it lives as long as it serves: one that does not, ends, as a thread would.
  process.channel?.unref()
  void import(start.module)
})
