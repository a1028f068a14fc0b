// What keeps contexts of its own: OpenTelemetry's, and other runtimes than Node.js.
import { assert, describe, it } from "@effect/vitest"
import { context, trace } from "@opentelemetry/api"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import { Effect, ManagedRuntime, Schedule } from "effect"
import { Lemmings } from "lemmings"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { arch, platform } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"

describe("promise 17: contexts of others", () => {
  it("OpenTelemetry's active span in a task is that of the request that submitted it", async () => {
    const manager = new AsyncLocalStorageContextManager().enable()
    context.setGlobalContextManager(manager)
    const runtime = ManagedRuntime.make(Lemmings.layer({ workers: { max: 1 } }))
    const active = Effect.sync(() => trace.getActiveSpan()?.spanContext().spanId)

    const request = (spanId: string) => {
      const span = trace.wrapSpanContext({
        traceId: "0af7651916cd43dd8448eb211c80319c",
        spanId,
        traceFlags: 1
      })
      let attempts = 0
      const again = Effect.suspend(() => (++attempts < 3 ? Effect.fail("again") : active))
      return context.with(trace.setSpan(context.active(), span), () =>
        runtime.runPromise(
          Effect.gen(function* () {
            const herd = yield* Lemmings
            return [
              yield* herd.run(Effect.andThen(Effect.sleep(1), active)),
              ...(yield* herd.runAll([active, Effect.andThen(Effect.sleep(1), active)])),
              yield* herd.run(again, { retry: Schedule.spaced(1) })
            ]
          })
        )
      )
    }
    const spans = ["b7ad6b7169203331", "b7ad6b7169203332", "b7ad6b7169203333"]
    try {
      assert.deepStrictEqual(
        await Promise.all(spans.map(request)),
        spans.map((span) => [span, span, span, span])
      )
    } finally {
      await runtime.dispose()
      context.disable()
      manager.disable()
    }
  })

  const root = resolve(import.meta.dirname, "../../../..")
  const bun = join(
    root,
    `node_modules/@oven/bun-${platform()}-${arch() === "arm64" ? "aarch64" : arch()}/bin/bun`
  )
  const runtimes = { "Node.js": process.execPath, ...(existsSync(bun) ? { Bun: bun } : {}) }
  for (const [name, executable] of Object.entries(runtimes)) {
    it(`a program on ${name} sees the stores of its requests`, async () => {
      const program = resolve(import.meta.dirname, "fixtures/requests.ts")
      const { stdout } = await promisify(execFile)(executable, [program], { encoding: "utf8" })

      const two = (user: string) => [user, user]
      assert.deepStrictEqual(JSON.parse(stdout), {
        got: ["ada", "bob", "cleo"].map((user) => ({
          run: two(user),
          submit: two(user),
          runAll: [two(user), two(user)],
          retried: two(user),
          resource: "layer"
        })),
        hooks: ["layer"]
      })
    })
  }
})
