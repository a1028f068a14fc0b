/** The load: calm, then ten times as much, then calm again. */
import { Clock, Effect, Random, Stream } from "effect"
import { BurstHerd } from "./BurstHerd.ts"
import { Connection } from "./Connection.ts"

export interface Scene {
  /** Questions a second, and while the burst lasts. */
  readonly calm: number
  readonly burst: number
  /** Of the whole scene. The burst comes after a twelfth and lasts a sixth. */
  readonly seconds: number
}

/** What the callers saw. */
export interface Seen {
  asked: number
  answered: number
  /** Milliseconds from each question to its start, in the order of their starts. */
  readonly waits: Array<number>
}

const rateAt = ({ burst, calm, seconds }: Scene, second: number): number =>
  second >= seconds / 12 && second < seconds / 4 ? burst : calm

/** A question every now and then, at random (a Poisson process), whether or not the earlier ones are answered. */
const questions = (scene: Scene) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const started = yield* Clock.currentTimeMillis
      return Stream.unfold(
        0,
        Effect.fnUntraced(function* (second: number) {
          const next = second - Math.log(1 - (yield* Random.next)) / rateAt(scene, second)
          const takes = yield* Random.nextIntBetween(30, 70)
          const now = yield* Clock.currentTimeMillis
          yield* Effect.sleep(Math.max(0, started + Math.min(next, scene.seconds) * 1000 - now))
          return next < scene.seconds ? ([takes, next] as const) : undefined
        })
      )
    })
  )

/** Asks until the scene is over or `stop` ends, and ends when every question is answered. */
export const play = (scene: Scene, seen: Seen, stop: Effect.Effect<void>) =>
  questions(scene).pipe(
    Stream.haltWhen(stop),
    Stream.mapEffect(
      Effect.fnUntraced(function* (takes) {
        const asked = yield* Clock.currentTimeMillis
        seen.asked++
        yield* BurstHerd.run(
          Effect.gen(function* () {
            seen.waits.push((yield* Clock.currentTimeMillis) - asked)
            yield* (yield* Connection).ask(takes)
          })
        )
        seen.answered++
      }),
      { concurrency: "unbounded", unordered: true }
    ),
    Stream.runDrain
  )
