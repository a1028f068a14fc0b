import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as ThreadTasks from "../../src/thread/ThreadTasks.ts"
import { all, TooWide } from "./tasks.ts"

const spin = (millis: number, stop: () => boolean = () => false) => {
  const until = performance.now() + millis
  while (performance.now() < until && !stop());
}

export default ThreadTasks.serve(all, {
  Echo: (value) => value,
  Tomorrow: ({ day, width }, { fail }) =>
    width > 100 ? fail(new TooWide({ width })) : new Date(day.getTime() + 86_400_000),
  Act: ({ flag, millis = 60_000, value, what }, context) => {
    switch (what) {
      case "pid":
        return process.pid
      case "settings":
        return { env: process.env["LEMMINGS_TEST"], execArgv: process.execArgv }
      case "say":
        process.stdout.write("one\ntwo")
        process.stderr.write("bad\n")
        return value
      case "crashLater":
        setTimeout(() => {
          throw new Error("out of the blue")
        }, 20)
        return value
      case "throw":
        throw Object.assign(new RangeError("a defect"), { code: 7 })
      case "rejectLater":
        void Promise.reject(new Error("nobody hears"))
        return value
      case "exitNext":
        setImmediate(() => process.exit(3))
        return value
      case "exit":
        return process.exit(3)
      case "crash":
        setTimeout(() => {
          throw new Error("out of the blue")
        })
        return new Promise(() => {})
      case "oom": {
        const kept: Array<unknown> = []
        for (;;) kept.push(Array.from({ length: 10_000 }, (_, i) => ({ i })))
      }
      case "spin":
        if (flag !== undefined) Atomics.store(flag, 0, 1)
        spin(millis)
        return value
      case "spinPolitely":
        if (flag !== undefined) Atomics.store(flag, 0, 1)
        spin(millis, () => context.aborted)
        if (flag !== undefined) Atomics.store(flag, 0, context.aborted ? 2 : 3)
        return value
      case "wait":
        return new Promise((resolve) => {
          if (flag !== undefined) Atomics.store(flag, 0, 1)
          context.signal.addEventListener("abort", () => {
            if (flag !== undefined) Atomics.store(flag, 0, 2)
            resolve("aborted")
          })
        })
      case "function":
        return () => 1
      case "sync":
        return value
    }
  },
  Seen: (_, { origin }) =>
    Effect.gen(function* () {
      const span = Option.getOrUndefined(yield* Effect.option(Effect.currentParentSpan))
      const annotations = { ...(yield* References.CurrentLogAnnotations) }
      return { traceId: span?.traceId, spanId: span?.spanId, annotations, origin }
    }),
  Sleep: ({ flag, millis }) =>
    Effect.suspend(() => {
      Atomics.store(flag, 0, 1)
      return Effect.as(Effect.sleep(millis), "slept")
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => Atomics.store(flag, 0, 2)))),
  Move: (bytes, { transfer }) => transfer({ bytes, before: bytes.byteLength }, [bytes.buffer])
})
