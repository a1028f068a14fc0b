import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Result } from "effect"
import { ScalingPolicy } from "lemmings"
import { InvalidConfig } from "lemmings/HerdError"
import { Load } from "lemmings/testing"
import * as Durations from "../../src/model/Durations.ts"

const none: ReadonlyArray<unknown> = [
  NaN,
  -1,
  "-1 seconds",
  "5 secnds",
  "",
  "soon",
  null,
  undefined,
  true,
  {},
  [NaN, 0],
  { seconds: NaN },
  { secnds: 5 },
  -1n,
  Duration.negativeInfinity
]

describe("Durations", () => {
  for (const value of none) {
    it(`${typeof value} ${JSON.stringify(value, (_, part) => String(part))} follows no rule`, () => {
      for (const rule of [Durations.any, Durations.orNever, Durations.positive, Durations.finite]) {
        assert.isUndefined(rule.millis(value), rule.text)
      }
    })
  }

  it("are numbers of milliseconds, texts, and all that Effect takes for a duration", () => {
    const read = [250, "5 seconds", Duration.minutes(1), [2, 500_000_000], 3_000_000n, { seconds: 2 }].map(
      Durations.any.millis
    )

    assert.deepStrictEqual(read, [250, 5000, 60_000, 2500, 3, 2000])
  })

  it("say whether 0, never and Infinity are allowed, and do as they say", () => {
    const allowed = (rule: Durations.Rule) => [0, "never", Infinity, 999, 1000].map(rule.millis)

    assert.deepStrictEqual(
      [
        Durations.any,
        Durations.orNever,
        Durations.positive,
        Durations.finite,
        Durations.rule({ least: 1000, finite: true })
      ].map((rule) => [rule.text, ...allowed(rule)]),
      [
        [`a duration such as "5 seconds", at least 0`, 0, undefined, Infinity, 999, 1000],
        [`a duration such as "5 seconds", at least 0, or "never"`, 0, Infinity, Infinity, 999, 1000],
        [`a duration such as "5 seconds", longer than 0`, undefined, undefined, Infinity, 999, 1000],
        [`a finite duration such as "5 seconds", longer than 0`, undefined, undefined, undefined, 999, 1000],
        [
          `a finite duration such as "5 seconds", at least 1s`,
          undefined,
          undefined,
          undefined,
          undefined,
          1000
        ]
      ]
    )
  })

  it.effect("name the field, the value and the rule, thrown or failed", () =>
    Effect.gen(function* () {
      const failed = yield* Effect.flip(Durations.decode("drain", "5 secnds", Durations.positive))
      const thrown = Result.try({
        try: () => Durations.decodeUnsafe("drain", "5 secnds", Durations.positive),
        catch: (error) => error as InvalidConfig
      })

      assert.instanceOf(failed, InvalidConfig)
      assert.strictEqual(
        failed.message,
        `drain must be a duration such as "5 seconds", longer than 0, got "5 secnds"`
      )
      assert.deepStrictEqual(thrown, Result.fail(failed))
    })
  )

  it("are read so by policies and loads, too", () => {
    const wrong = "5 secnds" as Duration.Input

    assert.throws(
      () => ScalingPolicy.throughput({ window: wrong }),
      `ScalingPolicy.throughput: window must be a finite duration such as "5 seconds", longer than 0, got 5 secnds`
    )
    assert.throws(
      () => ScalingPolicy.cooldown(ScalingPolicy.fixed, { up: wrong }),
      `ScalingPolicy.cooldown: up must be a finite duration such as "5 seconds", at least 0, got 5 secnds`
    )
    assert.throws(
      () => Load.make({ name: "wrong", duration: wrong, rate: () => 1, peak: 1 }),
      `Load.duration must be a finite duration such as "5 seconds", longer than 0, got "5 secnds"`
    )
  })
})
