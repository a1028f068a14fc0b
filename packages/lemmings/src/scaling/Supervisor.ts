/**
 * How many workers should there be: samples the herd, asks the policy, resizes.
 *
 * **Details**
 *
 * The policy is asked every `interval`, and out of turn when a task has waited for the policy's `targetWait`, or when
 * a task comes and there is no worker. With a `targetWait` of `"auto"` it is asked, too, when a task comes while the tasks
 * run for far longer than those before, and than a worker takes to create. A herd that has nothing to do and no more workers than `workers.min` is left
 * alone until the next task: nothing polls.
 *
 * A policy that throws or answers nonsense, and readings that make no sense, change nothing and are reported.
 *
 * @since 0.1.0
 */
import { Cause, Context, Effect, Layer, type Scope } from "effect"
import type { ScalingDecision, ScalingSample } from "../model/HerdStats.ts"
import * as ScalingPolicy from "./ScalingPolicy.ts"
import * as ScalingSampler from "./ScalingSampler.ts"
import { SystemMetrics } from "../model/SystemMetrics.ts"
import type { Timers } from "../internal/Timers.ts"

/**
 * What a supervisor sees of a herd, and may do to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Supervised {
  readonly timers: Timers
  /** Whether there are as many workers as there may be. */
  readonly full: () => boolean
  /** Whether there is no worker. */
  readonly empty: () => boolean
  readonly counters: () => ScalingSampler.Counters
  /** What resources say of themselves. `undefined`: nothing. Asked once for each sample. */
  readonly utilization: () => ScalingSample["utilization"]
  /** Sets the number of workers wanted and whether to dispatch, and publishes why. */
  readonly resize: (decision: Omit<ScalingDecision, "at" | "from">) => void
  /** Whether the herd still runs tasks. */
  readonly active: () => boolean
  readonly report: (where: string, cause: Cause.Cause<unknown>) => void
}

/**
 * What a herd tells its supervisor. Synchronous.
 *
 * @category models
 * @since 0.2.0
 */
export interface Supervision {
  /** Name of the policy. */
  readonly policy: string
  /** A task was accepted by a herd at rest. */
  readonly awoken: () => void
  /** Whether `awoken` has an effect. */
  readonly resting: () => boolean
  /** A task has to wait. */
  readonly noticed: () => void
  /** A task is refused if nobody comes for it. Returns whether somebody does. */
  readonly wanted: () => boolean
  /** Leaves the number of workers to whoever set it, or takes it over again. */
  readonly pin: (pinned: boolean) => void
  readonly pinned: () => boolean
}

/**
 * Nobody decides. What a herd has before it is supervised.
 *
 * @category constructors
 * @since 0.5.0
 */
export const unsupervised: Supervision = {
  policy: "fixed",
  awoken: () => {},
  noticed: () => {},
  wanted: () => false,
  resting: () => false,
  pin: () => {},
  pinned: () => false
}

/**
 * @category models
 * @since 0.2.0
 */
export interface SupervisorOptions {
  readonly policy: ScalingPolicy.ScalingPolicy
  /** Milliseconds between samples. */
  readonly interval: number
  /** Start without workers, and bring the initial ones with the first task. Defaults to `false`. */
  readonly lazy?: boolean | undefined
  /** Workers at the start. Defaults to what the herd says. */
  readonly initial?: number | undefined
}

/**
 * Decides the number of workers of one herd, for as long as its scope is open.
 *
 * @category services
 * @since 0.1.0
 */
export class Supervisor extends Context.Service<
  Supervisor,
  {
    /** Starts `initial` workers and follows the policy until the scope closes. */
    readonly supervise: (herd: Supervised, initial: number) => Effect.Effect<Supervision, never, Scope.Scope>
  }
>()("lemmings/Supervisor") {
  /** Follows the policy. Reads `SystemMetrics` where there is one, and the process otherwise. */
  static readonly layer = (options: SupervisorOptions): Layer.Layer<Supervisor> =>
    Layer.effect(
      Supervisor,
      Effect.gen(function* () {
        const system = options.policy.readsSystem ? yield* SystemMetrics.orOwn : undefined
        return Supervisor.of({ supervise: (herd, initial) => supervise(herd, initial, options, system) })
      })
    )

  /** Starts `workers` workers and never changes their number. */
  static readonly layerFixed = (workers: number): Layer.Layer<Supervisor> =>
    Supervisor.layer({ policy: ScalingPolicy.fixed, interval: Infinity, initial: workers })
}

// A policy is not asked out of turn more often than this, however short its target wait.
const shortest = 10
const unset = -1
const alone = "somebody waits and nobody is there"

const supervise = (
  herd: Supervised,
  given: number,
  { initial = given, interval, lazy = false, policy }: SupervisorOptions,
  system: SystemMetrics["Service"] | undefined
) =>
  Effect.sync((): Supervision => {
    const { timers } = herd
    // Whoever waits keeps the process, and not what looks after them.
    const { beside } = timers
    const sampler = ScalingSampler.make(timers.now())
    let state = policy.initial
    let pinned = false
    let paused = false
    let resting = true
    let lastTick = -Infinity
    let grew = false
    let waits = false
    // When somebody waited and the policy did not want more workers.
    let declinedAt = -Infinity
    // It gives fewer workers than there is work for: it will say the same to the next who waits.
    let capped = false
    let turn = unset
    let urgent = unset
    let dormant = lazy
    let asking = false
    // Somebody had to wait while the policy was asked.
    let missed = false
    // Whether a task is refused if nobody comes for it.
    let refusing = false
    // When it was looked whether the next who waits gains anything by waiting.
    let lookedAt = -Infinity
    // When nobody came for one.
    let refusedAt = -Infinity
    // Said once, until there is a good reading again.
    let complained: string | undefined

    const complain = (where: string, what: string | Cause.Cause<unknown>) => {
      const said = typeof what === "string" ? `${where}: ${what}` : where
      if (complained === said) return
      complained = said
      herd.report(where, typeof what === "string" ? Cause.fail(new Error(what)) : what)
    }

    const read = (now: number): ScalingSample | undefined => {
      const counters = herd.counters()
      const counted = refusing ? { ...counters, queued: counters.queued + 1 } : counters
      const sample = sampler.sample(now, counted, system?.read(), herd.utilization())
      if (typeof sample !== "string") return refusing ? { ...sample, refusing } : sample
      complain("the scaling sample", sample)
      return undefined
    }

    /** A policy that knows no number must not leave a herd without workers alone. */
    const rescue = (sample: Pick<ScalingSample, "queued" | "workers">) => {
      const { max, size, target } = sample.workers
      if (pinned || paused || size > 0 || target > 0 || max === 0 || !(sample.queued > 0)) return
      grew = true
      herd.resize({ to: 1, by: policy.name, reason: alone, paused })
    }

    const ask = (sample: ScalingSample): void => {
      const { target } = sample.workers
      const [answer, next] = policy.decide(sample, state)
      asking = false
      // It may have set the number of workers itself.
      if (pinned) return
      if (!Number.isInteger(answer.target)) {
        complain("the scaling policy", `${policy.name} answered ${answer.target} workers`)
        return rescue(sample)
      }
      complained = undefined
      state = next
      const pause = answer.pause === true
      const { max, min, size } = sample.workers
      const within = Math.max(min, Math.min(max, Math.max(answer.target, sample.workers.busy)))
      // Whatever the policy makes of it, somebody waits and nobody is there.
      const left = !pause && within === 0 && sample.queued > 0 && size === 0
      const to = left ? Math.min(1, max) : within
      grew = to > target
      if (!grew && sample.queued > 0) declinedAt = sample.now
      capped = !grew && within < sample.workers.busy + sample.queued
      if (to === target && pause === paused) return
      paused = pause
      herd.resize({ to, by: policy.name, reason: left ? alone : answer.reason, paused: pause, sample })
    }

    const nextTurn = (at: number | undefined) => {
      const before = turn
      // Known to be over before anything else happens: a timer that is set may be due.
      turn = unset
      if (before !== unset) beside.cancel(before)
      if (at !== undefined) turn = beside.schedule(at, inTurn)
    }

    /** Returns whether the herd grew. */
    const tick = (): boolean => {
      const now = timers.now()
      if (asking || !herd.active()) return false
      let rests = false
      grew = false
      try {
        lastTick = now
        // What the policy does to the herd is no reason to ask it in the middle of its answer.
        asking = true
        const sample = read(now)
        waits = sample !== undefined && sample.queued > 0
        if (sample === undefined) rescue(herd.counters())
        else {
          if (!pinned) ask(sample)
          const { busy, min, target } = sample.workers
          rests = pinned || (sample.queued === 0 && busy === 0 && target <= min && !paused)
        }
      } catch (defect) {
        complain("the scaling policy", Cause.die(defect))
        rescue(herd.counters())
      }
      asking = false
      resting = rests
      nextTurn(rests ? undefined : now + interval)
      if (missed && urgent === unset) remind(shortest)
      missed = false
      return grew
    }
    /** Asks at once, and a policy without patience again while it helps. */
    const satisfy = () => {
      // Busy workers on their way out that stay after all take nobody who waits, which the policy could not know.
      let again = true
      while (again) again = tick() && policy.targetWait === 0
    }
    const inTurn = () => {
      turn = unset
      tick()
    }
    const worthwhile = ({ creationMillis, creations }: ScalingSampler.Counters) =>
      policy.targetWait === "auto" ? creationMillis / Math.max(1, creations) / 2 : policy.targetWait

    /**
     * Tasks run for so much longer than others did, and than creating a worker takes, that whoever waits for one of them
     * gains nothing by waiting.
     */
    const held = ({ creationMillis, creations, ended, meanRunMillis, runMillis }: ScalingSampler.Counters) =>
      creationMillis > 0 &&
      meanRunMillis > (4 * runMillis) / Math.max(1, ended) + (2 * creationMillis) / creations

    /** Whether they do, at most once in so long. */
    const looked = (now: number) => {
      lookedAt = now
      return held(herd.counters())
    }

    const outOfTurn = () => {
      urgent = unset
      if (pinned || herd.full()) return
      const counters = herd.counters()
      if (counters.queued === 0) return
      // What had waited then was served, and somebody else waits now.
      const missing = held(counters) ? 0 : worthwhile(counters) - counters.oldestWaitMillis
      const spaced = lastTick + shortest - timers.now()
      if (missing > 0 || spaced > 0) return remind(Math.max(missing, spaced))
      tick()
      // What a wait tells becomes clear while it lasts, and a turn may be many creations away.
      if (waits && urgent === unset && policy.targetWait === "auto" && !herd.full())
        remind(grew ? shortest : Math.max(shortest, worthwhile(herd.counters())))
    }
    const remind = (millis: number) => {
      // What is left of a wait may be too little to change the time it is added to, and nothing fires sooner anyway.
      urgent = beside.schedule(timers.now() + Math.max(1, millis), outOfTurn)
    }

    const begin = () => {
      dormant = false
      herd.resize({ to: initial, by: "start", reason: "initial", paused: false })
    }
    if (!dormant) begin()

    return {
      policy: policy.name,
      awoken: () => {
        if (dormant && !pinned) begin()
        if (!resting || pinned || policy.targetWait === Infinity) return
        resting = false
        if (turn === unset) turn = beside.schedule(timers.now() + interval, inTurn)
      },
      resting: () => resting,
      noticed: () => {
        if (asking) missed = true
        if (asking || pinned || policy.targetWait === Infinity || herd.full()) return
        if (urgent !== unset && policy.targetWait !== "auto") return
        const now = timers.now()
        if (urgent !== unset) {
          // Not for each who waits, or each would cost a look at all of them.
          if (now - lookedAt >= shortest && now - lastTick >= shortest && looked(now)) tick()
          return
        }
        const nobody = herd.empty()
        if (nobody || policy.targetWait === 0) {
          // Not for each who waits, or each would cost a look at all of them.
          if (capped && !nobody && now - lastTick < shortest) return remind(shortest)
          // Without a worker, asking again in the same instant would give the same answer.
          if (policy.targetWait === 0 || declinedAt !== now) satisfy()
          if (policy.targetWait === 0 || nobody) return
        }
        const counters = herd.counters()
        if (policy.targetWait === "auto" && held(counters) && now - lastTick >= shortest) tick()
        if (urgent === unset && !herd.full()) remind(Math.max(shortest, worthwhile(counters)))
      },
      wanted: () => {
        const now = timers.now()
        if (asking || pinned || policy.targetWait === Infinity || herd.full()) return false
        if (now - refusedAt < shortest) return false
        refusing = true
        const comes = tick()
        refusing = false
        if (!comes) refusedAt = now
        return comes
      },
      pin: (pin) => {
        pinned = pin
        dormant = false
        // Whoever sets the number of workers wants them to work.
        if (pin) paused = false
        if (!pin && policy.targetWait !== Infinity) satisfy()
      },
      pinned: () => pinned
    }
  })
