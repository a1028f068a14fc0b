// A process whose herd writes: `says.ts thread|process inherit|prefix|ignore`.
import { Effect } from "effect"
import * as ThreadHerd from "../../src/herd/ThreadHerd.ts"
import { Act, all } from "./tasks.ts"

class Says extends ThreadHerd.Service<Says>()("test/Says", {
  tasks: all,
  worker: new URL("./all.worker.ts", import.meta.url)
}) {}

const [, , isolation, output] = process.argv as Array<"thread" & "process" & "inherit" & "prefix" & "ignore">

await Effect.runPromise(
  Says.run(Act({ what: "say" })).pipe(Effect.provide(Says.layer({ isolation, output, workers: { max: 1 } })))
)
