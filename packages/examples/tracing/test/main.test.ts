import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
}

interface Traces {
  readonly resourceSpans: ReadonlyArray<{
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Span> }>
  }>
}

const millis = ({ endTimeUnixNano, startTimeUnixNano }: Span): number =>
  Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6

describe("traces by OTLP", () => {
  it("a task's spans are children of its submitter's, its wait can be seen, and none is lost at the end", async () => {
    const spans: Array<Span> = []
    const receiver = createServer((request, response) => {
      const parts: Array<Buffer> = []
      request.on("data", (part) => parts.push(part))
      request.on("end", () => {
        if (request.url === "/v1/traces") {
          const { resourceSpans }: Traces = JSON.parse(Buffer.concat(parts).toString())
          for (const { scopeSpans } of resourceSpans)
            for (const scope of scopeSpans) spans.push(...scope.spans)
        }
        response.setHeader("content-type", "application/json").end("{}")
      })
    })
    await once(receiver.listen(0, "127.0.0.1"), "listening")
    const address = receiver.address()
    const port = typeof address === "object" ? address?.port : undefined
    const child = spawn(process.execPath, [main], {
      env: { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` },
      stdio: ["ignore", "ignore", "inherit"]
    })
    try {
      const [code] = await once(child, "exit")
      assert.strictEqual(code, 0)
      assert.sameMembers(
        spans.map(({ name }) => name),
        ["checkout", "send mail wait", "send mail", "smtp", "send mail wait", "send mail", "smtp"]
      )
      const named = (name: string) => spans.filter((span) => span.name === name)
      const [checkout] = named("checkout")
      assert.strictEqual(new Set(spans.map(({ traceId }) => traceId)).size, 1)
      for (const span of [...named("send mail"), ...named("send mail wait")]) {
        assert.strictEqual(span.parentSpanId, checkout?.spanId, span.name)
      }
      assert.sameMembers(
        named("smtp").map(({ parentSpanId }) => parentSpanId),
        named("send mail").map(({ spanId }) => spanId)
      )
      // The second waited for the first, which took 30 ms.
      const [shorter = NaN, longer = NaN] = named("send mail wait")
        .map(millis)
        .toSorted((a, b) => a - b)
      assert.isAtLeast(longer, 25)
      assert.isBelow(shorter, longer)
    } finally {
      child.kill("SIGKILL")
      receiver.close()
    }
  })
})
