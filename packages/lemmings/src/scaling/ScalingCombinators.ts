/**
 * Policies made from policies.
 *
 * @since 0.2.0
 */
import type { Duration } from "effect"
import * as Durations from "../model/Durations.ts"
import type { ScalingSample } from "../model/HerdStats.ts"
import {
  allowedMillis,
  make,
  positiveMillis,
  type ScalingPolicy,
  type ScalingTarget,
  within
} from "./ScalingModel.ts"

/**
 * @category models
 * @since 0.2.0
 */
export interface StabilizeOptions {
  /** Shrinks only to the highest demand of this long. Above 0. Defaults to 30 seconds. */
  readonly window?: Duration.Input | undefined
  /**
   * Windows that must pass before a single worker leaves, at least 1: a herd that needs now three and now four workers
   * keeps four. Does not hold when nothing is wanted at all. Defaults to 4.
   */
  readonly patience?: number | undefined
  /** Part of the workers that demand must differ by before anything changes, from 0 to below 1. Defaults to 0.1. */
  readonly tolerance?: number | undefined
  /** Whether it grows by at most `max(2n, n + 4)` in one step, or at once to what is wanted. Defaults to `true`. */
  readonly stepwise?: boolean | undefined
  /** Part of the workers that leave at most in one step, above 0 and at most 1. Defaults to 0.2. */
  readonly shrink?: number | undefined
  /** Average demand over 6 seconds ÷ workers from which nothing shrinks for one window. Above 1. Defaults to 2. */
  readonly panic?: number | undefined
}

interface Demand {
  readonly from: number
  readonly at: number
  readonly demand: number
}

interface Stabilizing {
  readonly inner: unknown
  /** Falling demand, oldest first: the first one is the highest of the window. */
  readonly highs: ReadonlyArray<Demand>
  /** Demand over the panic window, oldest first. */
  readonly recent: ReadonlyArray<Demand>
  readonly panicUntil: number
  readonly shrunkAt: number
}

const panicWindow = 6_000
// A policy is also asked out of turn, and each of those samples would take its part of the workers.
const shrinkPause = 250

/** Adds a demand. Those within `grain` milliseconds become one, the highest, so however often it is asked it remembers little. */
const remember = (
  seen: ReadonlyArray<Demand>,
  now: number,
  demand: number,
  grain: number
): ReadonlyArray<Demand> => {
  const last = seen.at(-1)
  if (last === undefined || now - last.from >= grain) return [...seen, { from: now, at: now, demand }]
  return [...seen.slice(0, -1), { from: last.from, at: now, demand: Math.max(last.demand, demand) }]
}

/** Demand times milliseconds: each holds until the next one. */
const area = (seen: ReadonlyArray<Demand>, now: number): number =>
  seen.reduce((sum, { demand, from }, index) => sum + demand * ((seen[index + 1]?.from ?? now) - from), 0)

/** Whether somebody waits for so long that a difference within tolerance is worth a worker: or a herd that is nearly large enough would stay so. */
const suffers = ({ creationMillis, oldestWaitMillis, refusing, waitingMillis }: ScalingSample) =>
  refusing === true ||
  oldestWaitMillis > 2 * creationMillis ||
  waitingMillis > Math.min(4_000, 20 * creationMillis)

/**
 * Grows at once, by at most `max(2n, n + 4)` in one step, and shrinks slowly.
 *
 * **Details**
 *
 * With `n` workers wanted now and `M` the highest demand of the window: `n` grows where demand is above
 * `n·(1 + tolerance)`, or above `n` once a task has waited for two creations or somebody has been waiting for twenty (4
 * seconds at most) without a break. It falls to `max(M, n - max(1, ⌊shrink·n⌋))` where `M < n·(1 - tolerance)`, once in 250
 * milliseconds at most. By a single worker it falls after `patience` windows. It never falls for one window after the
 * average demand of 6 seconds was `panic` times `n`.
 *
 * Sources: growth, tolerance and the stabilisation window of Kubernetes' horizontal pod autoscaler, panic of Knative's.
 *
 * **Example** (A policy of your own, made calm)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const tens = ScalingPolicy.make({
 *   name: "tens",
 *   initial: undefined,
 *   decide: ({ queued }) => [{ target: Math.ceil(queued / 10), reason: `${queued} waiting` }, undefined]
 * })
 *
 * ScalingPolicy.stabilize(tens, { window: "1 minute" }).parameters // => { window: 60000, patience: 4, tolerance: 0.1, stepwise: true, shrink: 0.2, panic: 2 }
 * ```
 *
 * @category combinators
 * @since 0.2.0
 */
export const stabilize = (policy: ScalingPolicy, options: StabilizeOptions = {}): ScalingPolicy => {
  const window = positiveMillis("stabilize: window", options.window ?? "30 seconds")
  const tolerance = within(
    "stabilize: tolerance",
    options.tolerance ?? 0.1,
    (n) => n >= 0 && n < 1,
    "from 0 to below 1"
  )
  const shrink = within(
    "stabilize: shrink",
    options.shrink ?? 0.2,
    (n) => n > 0 && n <= 1,
    "above 0 and at most 1"
  )
  const patience = within("stabilize: patience", options.patience ?? 4, (n) => n >= 1, "at least 1")
  const panic = within("stabilize: panic", options.panic ?? 2, (n) => n > 1, "above 1")
  const stepwise = options.stepwise ?? true
  const initial: Stabilizing = {
    inner: policy.initial,
    highs: [],
    recent: [],
    panicUntil: -Infinity,
    shrunkAt: -Infinity
  }
  return make<Stabilizing>({
    name: policy.name,
    parameters: { ...policy.parameters, window, patience, tolerance, stepwise, shrink, panic },
    targetWait: policy.targetWait,
    readsSystem: policy.readsSystem,
    initial,
    decide: (sample, state) => {
      const [answer, inner] = policy.decide(sample, state.inner)
      const { now } = sample
      const n = sample.workers.target
      // A policy may ask for a part of a worker, and nothing shrinks to that.
      const demand = Math.ceil(answer.demand ?? answer.target)
      const higher = state.highs.filter((high) => high.at > now - patience * window && high.demand > demand)
      const highs = remember(higher, now, demand, window / 120)
      const panicking = state.recent.filter(({ at }) => at > now - panicWindow)
      const recent = remember(panicking, now, demand, panicWindow / 24)
      const span = now - (recent[0]?.from ?? now)
      const settled = span > panicWindow / 2
      const average = settled ? area(recent, now) / span : 0
      const panicUntil = settled && n > 0 && average >= panic * n ? now + window : state.panicUntil
      const next = { inner, highs, recent, panicUntil, shrunkAt: state.shrunkAt }
      const lately = Math.max(highs.find(({ at }) => at > now - window)?.demand ?? demand, demand)
      const small = lately > 0 && n - lately <= 1
      const highest = small ? Math.max(highs[0]?.demand ?? demand, demand) : lately
      const held = ((small ? patience : 1) * window) / 1000
      const stay = (reason: string): readonly [ScalingTarget, Stabilizing] => [
        { ...answer, target: n, reason },
        next
      ]

      if (answer.target > n) {
        if (!suffers(sample) && demand <= n * (1 + tolerance))
          return stay(`${answer.reason}, within tolerance`)
        const limit = stepwise ? Math.max(2 * n, n + 4) : Infinity
        const target = Math.min(answer.target, limit)
        const limited =
          target < answer.target ? `${answer.reason}, at most ${limit} in one step` : answer.reason
        return [{ ...answer, target, reason: limited }, next]
      }
      if (highest >= n * (1 - tolerance)) {
        return stay(highest > demand ? `${answer.reason}; ${highest} wanted within ${held} s` : answer.reason)
      }
      if (now < panicUntil) return stay(`${answer.reason}; many more were wanted lately`)
      if (now - state.shrunkAt < shrinkPause) return stay(`${answer.reason}; fewer a moment ago`)
      const target = Math.max(highest, n - Math.max(1, Math.floor(shrink * n)))
      const reason = `${answer.reason}; at most ${highest} wanted for ${held} s`
      return [
        { ...answer, target, reason },
        { ...next, shrunkAt: now }
      ]
    }
  })
}

/**
 * @category models
 * @since 0.2.0
 */
export interface ClampOptions {
  /** Fewest workers. A whole number, 0 or more. Defaults to 0. */
  readonly min?: number | undefined
  /** Most workers. A whole number, `min` or more. Defaults to no bound. */
  readonly max?: number | undefined
}

/**
 * Keeps the answers of a policy from `min` to `max`. The bounds of the herd still hold, and are checked last.
 *
 * **Example** (A ceiling below that of the herd)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const policy = ScalingPolicy.clamp(ScalingPolicy.littlesLaw(), { max: 16 })
 *
 * policy.name // => "littlesLaw"
 * policy.parameters["clampMax"] // => 16
 * ```
 *
 * @category combinators
 * @since 0.2.0
 */
export const clamp = (policy: ScalingPolicy, options: ClampOptions): ScalingPolicy => {
  const least = within(
    "clamp: min",
    options.min ?? 0,
    (n) => Number.isInteger(n) && n >= 0,
    "a whole number from 0"
  )
  const most =
    options.max === undefined
      ? Infinity
      : within("clamp: max", options.max, (n) => Number.isInteger(n) && n >= least, "a whole number from min")
  const bound = (n: number) => Math.max(least, Math.min(most, n))
  return make({
    name: policy.name,
    parameters: { ...policy.parameters, clampMin: least, clampMax: most },
    targetWait: policy.targetWait,
    readsSystem: policy.readsSystem,
    initial: policy.initial,
    decide: (sample, state) => {
      const [answer, next] = policy.decide(sample, state)
      const target = bound(answer.target)
      const beyond =
        target === answer.target ? "" : `, ${target < answer.target ? "at most" : "at least"} ${target}`
      // Demand too: `stabilize` shrinks to it.
      const demand = bound(answer.demand ?? answer.target)
      return [{ ...answer, target, demand, reason: answer.reason + beyond }, next]
    }
  })
}

/**
 * @category models
 * @since 0.2.0
 */
export interface CooldownOptions {
  /** Least time between a change and growth after it. 0 or more. Defaults to 0. */
  readonly up?: Duration.Input | undefined
  /** Least time between a change and shrinking after it. 0 or more. Defaults to 30 seconds. */
  readonly down?: Duration.Input | undefined
}

interface Cooling {
  readonly inner: unknown
  readonly changedAt: number
}

/**
 * Leaves time between changes: `up` before growth, `down` before shrinking, both counted from the last change in either
 * direction. What is wanted meanwhile is asked again when the time is over.
 *
 * **Gotchas**
 *
 * A wait before growth is paid by the tasks. `stabilize` waits for shrinking only, and remembers how many workers were
 * wanted meanwhile.
 *
 * **Example** (Give each change a minute)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const policy = ScalingPolicy.cooldown(ScalingPolicy.throughput(), { up: "1 minute", down: "1 minute" })
 *
 * policy.parameters // => { window: 10000, cooldownUp: 60000, cooldownDown: 60000 }
 * ```
 *
 * @category combinators
 * @since 0.2.0
 */
export const cooldown = (policy: ScalingPolicy, options: CooldownOptions = {}): ScalingPolicy => {
  const pause = (name: string, input: Duration.Input) =>
    allowedMillis(`cooldown: ${name}`, input, Durations.rule({ finite: true }))
  const up = pause("up", options.up ?? 0)
  const down = pause("down", options.down ?? "30 seconds")
  return make<Cooling>({
    name: policy.name,
    parameters: { ...policy.parameters, cooldownUp: up, cooldownDown: down },
    targetWait: policy.targetWait,
    readsSystem: policy.readsSystem,
    initial: { inner: policy.initial, changedAt: -Infinity },
    decide: (sample, state) => {
      const [answer, inner] = policy.decide(sample, state.inner)
      const n = sample.workers.target
      const since = sample.now - state.changedAt
      if (answer.target === n) return [answer, { inner, changedAt: state.changedAt }]
      if (since >= (answer.target > n ? up : down)) return [answer, { inner, changedAt: sample.now }]
      const reason = `${answer.reason}, but the last change was ${(since / 1000).toFixed(1)} s ago`
      const demand = answer.demand ?? answer.target
      return [
        { ...answer, target: n, demand, reason },
        { inner, changedAt: state.changedAt }
      ]
    }
  })
}

// Half of creating a resource is known to the herd alone. 0 is no longer than that, and a number of milliseconds
// may be, so "auto" goes before any other number.
const soonest = (waits: ReadonlyArray<number | "auto">): number | "auto" => {
  const least = Math.min(...waits.filter((wait) => wait !== "auto"))
  return least > 0 && waits.includes("auto") ? "auto" : least
}

const combine = (which: "min" | "max", policies: ReadonlyArray<ScalingPolicy>): ScalingPolicy => {
  within(`${which}: the number of policies`, policies.length, (n) => n > 0, "1 or more")
  return make<ReadonlyArray<unknown>>({
    name: `${which}(${policies.map(({ name }) => name).join(", ")})`,
    parameters: { policies: policies.map(({ name, parameters }) => ({ name, parameters })) },
    targetWait: soonest(policies.map(({ targetWait }) => targetWait)),
    readsSystem: policies.some(({ readsSystem }) => readsSystem),
    initial: policies.map(({ initial }) => initial),
    decide: (sample, states) => {
      const answers = policies.map((policy, index) => policy.decide(sample, states[index]))
      const targets = answers.map(([answer]) => answer)
      const target = Math[which](...targets.map((answer) => answer.target))
      const demand = Math[which](...targets.map((answer) => answer.demand ?? answer.target))
      const decided = targets.find((answer) => answer.target === target)?.reason ?? ""
      const pausing = targets.find((answer) => answer.pause === true)
      const reason =
        pausing === undefined || pausing.reason === decided ? decided : `${decided}; ${pausing.reason}`
      return [
        { target, demand, reason, ...(pausing === undefined ? {} : { pause: true }) },
        answers.map(([, next]) => next)
      ]
    }
  })
}

/**
 * The smallest answer of some policies, with its reason; of equals, the first. Dispatch pauses while any of them
 * pauses it. `targetWait` is the smallest, where `"auto"` counts as less than any number but 0.
 *
 * **Example** (Grow by load, but not where the process has no room)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const policy = ScalingPolicy.min(ScalingPolicy.littlesLaw(), ScalingPolicy.eventLoop())
 *
 * policy.name // => "min(littlesLaw, eventLoop)"
 * policy.readsSystem // => true
 * policy.targetWait // => "auto"
 * ```
 *
 * @category combinators
 * @since 0.2.0
 */
export const min = (...policies: readonly [ScalingPolicy, ...ReadonlyArray<ScalingPolicy>]): ScalingPolicy =>
  combine("min", policies)

/**
 * The largest answer of some policies, with its reason; of equals, the first. Dispatch pauses while any of them
 * pauses it. `targetWait` is the smallest, where `"auto"` counts as less than any number but 0.
 *
 * **Example** (Load decides, and a wait of more than 200 milliseconds too)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * const policy = ScalingPolicy.max(ScalingPolicy.littlesLaw(), ScalingPolicy.latency({ target: "200 millis" }))
 *
 * policy.name // => "max(littlesLaw, latency)"
 * ```
 *
 * @category combinators
 * @since 0.2.0
 */
export const max = (...policies: readonly [ScalingPolicy, ...ReadonlyArray<ScalingPolicy>]): ScalingPolicy =>
  combine("max", policies)

/**
 * The same policy under another name, for `history`, events and the log.
 *
 * **Example** (Say what it is for)
 *
 * ```ts import.meta.vitest
 * import { ScalingPolicy } from "lemmings"
 *
 * ScalingPolicy.named(ScalingPolicy.instant(), "browsers").name // => "browsers"
 * ```
 *
 * @category combinators
 * @since 0.2.0
 */
export const named = (policy: ScalingPolicy, name: string): ScalingPolicy => ({ ...policy, name })
