/**
 * Prometheus and its tool, as Debian has them.
 */
import { Effect, type Scope } from "effect"
import { execFile, spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { until } from "./control.ts"

/** Where they are not installed, what needs them is left out; CI installs them and leaves out nothing. */
export const missing = !existsSync("/usr/bin/prometheus") && process.env["REQUIRE_ALL"] !== "1"

/** Runs promtool with this text as its input. Returns its exit code and everything that it says. */
export const promtool = (args: ReadonlyArray<string>, input = "") =>
  Effect.callback<{ readonly code: number; readonly said: string }>((resume) => {
    const child = execFile("/usr/bin/promtool", args, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
      resume(Effect.succeed({ code, said: stdout + stderr }))
    })
    child.stdin?.end(input)
  })

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

export interface Prometheus {
  /** The answer of an instant query. */
  readonly query: (expression: string) => Effect.Effect<ReadonlyArray<Series>>
}

/** Starts Prometheus, scraping a target every 200 ms, until the scope closes. */
export const prometheus = (target: string, rules?: string): Effect.Effect<Prometheus, never, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "lemmings-prometheus-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const port = yield* freePort
    const config = [
      "global: { scrape_interval: 200ms, evaluation_interval: 200ms }",
      ...(rules === undefined ? [] : [`rule_files: [${rules}]`]),
      `scrape_configs: [{ job_name: app, static_configs: [{ targets: ["${target}"] }] }]`
    ].join("\n")
    writeFileSync(join(folder, "prometheus.yml"), config)
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          "/usr/bin/prometheus",
          [
            `--config.file=${join(folder, "prometheus.yml")}`,
            `--storage.tsdb.path=${join(folder, "data")}`,
            `--web.listen-address=127.0.0.1:${port}`
          ],
          { stdio: "ignore" }
        )
      ),
      (child) =>
        Effect.callback<void>((resume) => {
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    )
    const ask = (path: string) =>
      Effect.promise(() => fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined))
    yield* until(() => Effect.map(ask("/-/ready"), (response) => response?.status === 200))
    return {
      query: (expression) =>
        Effect.gen(function* () {
          const response = yield* ask(`/api/v1/query?query=${encodeURIComponent(expression)}`)
          const answer = yield* Effect.promise(async (): Promise<unknown> => response?.json())
          const { data, error } = answer as { data?: { result: ReadonlyArray<Series> }; error?: string }
          if (data === undefined) return yield* Effect.die(new Error(`${expression}: ${error}`))
          return data.result
        })
    }
  })
