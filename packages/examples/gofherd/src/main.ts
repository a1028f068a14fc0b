// gofherd's README program. Nobody works until somebody says how many:
//   curl -XPATCH 127.0.0.1:5555/herd -d '{"num": 10}'
import { Control } from "@lemmings/control"
import { argumentsOf } from "@lemmings/examples-usage"
import { Config, Effect, Layer, Stream } from "effect"
import { Herd, HerdMain } from "lemmings"

argumentsOf(`node src/main.ts

The program of gofherd. PORT: where it listens, 5555.`)

class Gophers extends Herd.Service<Gophers>()("gofherd") {
  static readonly live = this.layer({ scaling: "fixed", workers: { min: 0, max: 100, initial: 0 } })
}

interface Work {
  readonly id: string
  readonly body: number
}

const processWork = ({ body }: Work): Effect.Effect<number> => Effect.succeed(body + 10)

const load = Stream.range(0, 9).pipe(Stream.map((n): Work => ({ id: `workdID:${n}`, body: n })))

const program = Gophers.stream(load, processWork).pipe(
  Stream.runForEach(({ input, result, status }) =>
    Effect.sync(() => {
      const shown = status.replace("succeeded", "success").replace("failed", "failure")
      console.log(`${input.id}, status: ${shown}, result:${result._tag === "Success" ? result.value : ""}`)
    })
  )
)

const control = Layer.unwrap(
  Effect.map(Config.Int("PORT").pipe(Config.withDefault(5555)), (port) => Control.layer({ port }))
)

HerdMain.runMain(program.pipe(Effect.provide(Layer.mergeAll(Gophers.live, control))))
