/** Samples, a simulated herd and the table of policies, for the tests of scaling. */
import { Schema } from "effect"
import type { ScalingSample } from "../../src/model/HerdStats.ts"
import { Ewma } from "../../src/internal/Ewma.ts"
import * as ScalingPolicy from "../../src/scaling/ScalingPolicy.ts"
import type { SystemReading } from "../../src/model/SystemMetrics.ts"

/** A reading of a process with that part of its memory and of its event loop in use. */
export const readingOf = ({ memory = 0.5, heap = 0, eventLoop = 0.1 } = {}): SystemReading => ({
  memoryLimit: 1000,
  memoryUsed: memory * 1000,
  heapLimit: 1000,
  heapUsed: heap * 1000,
  eventLoopUtilization: eventLoop,
  eventLoopDelayMillis: 1
})

interface SampleFields extends Partial<Omit<ScalingSample, "workers" | "system">> {
  readonly min?: number
  readonly max?: number
  readonly target?: number
  readonly idle?: number
  readonly busy?: number
  readonly starting?: number
  readonly system?: SystemReading | undefined
}

/** A sample, consistent with what is given. Workers are idle unless said otherwise. */
export const sampleOf = (fields: SampleFields): ScalingSample => {
  const { min = 0, max = 64, busy = 0, starting = 0, target = busy + starting + (fields.idle ?? 0) } = fields
  const idle = fields.idle ?? Math.max(0, target - busy - starting)
  const size = idle + busy + starting
  const base = Math.min(min, size)
  const workers = {
    min,
    max,
    target,
    size,
    idle,
    busy,
    starting,
    stopping: 0,
    base,
    burst: size - base,
    peak: size
  }
  return {
    now: fields.now ?? 0,
    sinceMillis: fields.sinceMillis ?? 250,
    workers,
    queued: fields.queued ?? 0,
    oldestWaitMillis: fields.oldestWaitMillis ?? 0,
    waitingMillis: fields.waitingMillis ?? fields.oldestWaitMillis ?? 0,
    longestRunMillis: fields.longestRunMillis ?? 0,
    meanRunMillis: fields.meanRunMillis ?? 0,
    arrivals: fields.arrivals ?? 0,
    ended: fields.ended ?? 0,
    arrivalRate: fields.arrivalRate ?? { fast: 0, slow: 0 },
    endedRate: fields.endedRate ?? { fast: 0, slow: 0 },
    serviceMillis: fields.serviceMillis ?? null,
    creationMillis: fields.creationMillis ?? 0,
    ...(fields.system === undefined ? {} : { system: fields.system }),
    ...(fields.utilization === undefined ? {} : { utilization: fields.utilization })
  }
}

/** Asks a policy for one sample after another. The target of each answer is shown next, unless the fields say otherwise. */
export const asking = (policy: ScalingPolicy.ScalingPolicy, start: number) => {
  let state = policy.initial
  let target = start
  return (fields: SampleFields): ScalingPolicy.ScalingTarget => {
    const [answer, next] = policy.decide(sampleOf({ target, ...fields }), state)
    state = next
    target = answer.target
    return answer
  }
}

/** A policy that wants what the function says. */
export const wants = (
  name: string,
  target: (sample: ScalingSample) => number,
  but: Partial<ScalingPolicy.ScalingPolicy> = {}
) => ({
  ...ScalingPolicy.make({
    name,
    initial: undefined,
    decide: (sample) => [{ target: target(sample), reason: `${name} says ${target(sample)}` }, undefined]
  }),
  ...but
})

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
const part = Schema.Literals([0, 0.1, 0.5, 0.74, 0.75, 0.8, 0.85, 0.9, 0.95, 1])

/** What changes between two samples, and where the herd is. */
export const Step = Schema.Struct({
  millis: Schema.Union([upTo(300), Schema.Literals([0, 1, 250, 1000, 6000, 31_000, 300_000])]),
  arrived: upTo(50),
  ended: upTo(50),
  busy: upTo(24),
  starting: upTo(6),
  idle: upTo(12),
  target: upTo(40),
  queued: Schema.Union([upTo(200), Schema.Literals([0, 1])]),
  oldest: upTo(3000),
  rate: upTo(200),
  service: Schema.NullOr(upTo(3000)),
  creation: upTo(2000),
  system: Schema.NullOr(Schema.Struct({ memory: part, heap: part, eventLoop: part })),
  utilization: Schema.Array(part).check(Schema.isMaxLength(4))
})
export type Step = typeof Step.Type

export const Bounds = Schema.Struct({ min: upTo(6), span: upTo(30) })

/** The samples that steps make, one after another. `fed` is the target to show, where it is not the step's own. */
export const sampler = (bounds: typeof Bounds.Type) => {
  const min = bounds.min
  const max = Math.max(1, min + bounds.span)
  let now = 1000
  let arrivals = 0
  let ended = 0
  return (step: Step, fed?: number): ScalingSample => {
    now += step.millis
    arrivals += step.arrived
    ended = Math.min(arrivals, ended + step.ended)
    return sampleOf({
      now,
      sinceMillis: step.millis,
      min,
      max,
      target: Math.min(max, fed ?? step.target),
      busy: Math.min(max, step.busy),
      idle: step.idle,
      starting: step.starting,
      queued: step.queued,
      oldestWaitMillis: step.queued === 0 ? 0 : step.oldest,
      arrivals,
      ended,
      arrivalRate: { fast: step.rate, slow: step.rate / 2 },
      endedRate: { fast: step.rate, slow: step.rate / 2 },
      serviceMillis: step.service,
      creationMillis: step.creation,
      system: step.system === null ? undefined : readingOf(step.system),
      utilization: step.utilization.map((utilization, workerId) => ({ workerId, utilization }))
    })
  }
}

/** The same value, which nobody can change. */
export const frozen = <A>(value: A): A => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    for (const inner of Object.values(value)) frozen(inner)
    Object.freeze(value)
  }
  return value
}

export interface Entry {
  readonly name: string
  readonly policy: ScalingPolicy.ScalingPolicy
  /** Whether it ever sends a worker away by itself. */
  readonly shrinks: boolean
  /** Whether more demand never means fewer workers, other things equal. */
  readonly monotone: boolean
}

const entry = (name: string, policy: ScalingPolicy.ScalingPolicy, but: Partial<Entry> = {}): Entry => ({
  name,
  policy,
  shrinks: true,
  monotone: true,
  ...but
})

/** Every policy that is shipped, and some made of them: what all must obey, each of these obeys. */
export const policies: ReadonlyArray<Entry> = [
  entry("fixed", ScalingPolicy.fixed, { shrinks: false }),
  entry("instant", ScalingPolicy.instant()),
  entry("littlesLaw", ScalingPolicy.littlesLaw()),
  entry("throughput", ScalingPolicy.throughput()),
  entry("latency", ScalingPolicy.latency()),
  entry("memory", ScalingPolicy.memory()),
  entry("eventLoop", ScalingPolicy.eventLoop(), { shrinks: false }),
  entry("utilization", ScalingPolicy.utilization()),
  // Whether growth is held depends on whether the herd is saturated, and a herd with less demand is not.
  entry("gradient", ScalingPolicy.gradient(), { monotone: false }),
  entry("stabilize", ScalingPolicy.stabilize(ScalingPolicy.throughput())),
  entry("clamp", ScalingPolicy.clamp(ScalingPolicy.littlesLaw(), { max: 8 })),
  entry("cooldown", ScalingPolicy.cooldown(ScalingPolicy.latency(), { up: "2 seconds", down: "5 seconds" })),
  entry("min", ScalingPolicy.min(ScalingPolicy.littlesLaw(), ScalingPolicy.eventLoop())),
  entry("max", ScalingPolicy.max(ScalingPolicy.littlesLaw(), ScalingPolicy.latency())),
  entry("named", ScalingPolicy.named(ScalingPolicy.memory(), "room"))
]

/** A policy made of others: one to start from, and what is put around it. */
export const Composition = Schema.Struct({
  base: upTo(policies.length - 1),
  other: upTo(policies.length - 1),
  around: Schema.Array(
    Schema.Literals(["stabilize", "clamp", "cooldown", "min", "max", "named", "gradient"])
  ).check(Schema.isMaxLength(4))
})

/** The entry that a composition means. */
export const compose = ({ around, base, other }: typeof Composition.Type): Entry => {
  const first = policies[base]
  const second = policies[other]
  if (first === undefined || second === undefined) throw new Error("No such policy")
  return around.reduce<Entry>((inner, what) => {
    const { policy } = inner
    const both = { monotone: inner.monotone && second.monotone, shrinks: false }
    if (what === "stabilize") return { ...inner, policy: ScalingPolicy.stabilize(policy) }
    if (what === "clamp") return { ...inner, policy: ScalingPolicy.clamp(policy, { min: 2, max: 20 }) }
    if (what === "cooldown") return { ...inner, policy: ScalingPolicy.cooldown(policy, { up: "1 second" }) }
    if (what === "named") return { ...inner, policy: ScalingPolicy.named(policy, "other") }
    if (what === "gradient") return { ...inner, policy: ScalingPolicy.gradient(policy), monotone: false }
    const combine = what === "min" ? ScalingPolicy.min : ScalingPolicy.max
    return { ...inner, ...both, policy: combine(policy, second.policy) }
  }, first)
}

export interface SimulationOptions {
  readonly policy: ScalingPolicy.ScalingPolicy
  /** Tasks per second, at a time in milliseconds. */
  readonly load: (now: number) => number
  readonly seconds: number
  readonly serviceMillis?: number
  readonly creationMillis?: number
  readonly min?: number
  readonly max?: number
  /** Tasks that whatever they need can do at full speed at one time: with more of them, each takes longer. */
  readonly room?: number
}

export interface Tick {
  readonly now: number
  readonly sample: ScalingSample
  readonly from: number
  readonly to: number
  readonly reason: string
}

const step = 10
const tickEvery = 250

/** A herd of evenly spaced tasks of equal length, asked every 250 milliseconds. Returns what each sample led to. */
export const simulate = (options: SimulationOptions): ReadonlyArray<Tick> => {
  const {
    creationMillis = 0,
    load,
    max = 64,
    min = 1,
    policy,
    room = Infinity,
    seconds,
    serviceMillis = 100
  } = options
  const ticks: Array<Tick> = []
  const queue: Array<number> = []
  // What is left of each running task, and of each creation.
  let running: Array<number> = []
  let creating: Array<number> = []
  let ready = min
  let target = min
  let due = 0
  let arrivals = 0
  let ended = 0
  let counted = { arrivals: 0, endings: 0 }
  let state = policy.initial
  const averages = {
    arrivals: { fast: new Ewma(2000), slow: new Ewma(20_000) },
    endings: { fast: new Ewma(2000), slow: new Ewma(20_000) }
  }
  for (let now = step; now <= seconds * 1000; now += step) {
    creating = creating.map((left) => left - step)
    ready += creating.filter((left) => left <= 0).length
    creating = creating.filter((left) => left > 0)
    const speed = Math.min(1, room / Math.max(1, running.length))
    running = running.map((left) => left - step * speed)
    ended += running.filter((left) => left <= 1e-9).length
    running = running.filter((left) => left > 1e-9)
    due += (load(now) * step) / 1000
    for (; due >= 1 - 1e-9; due--) {
      queue.push(now)
      arrivals++
    }
    // Those no longer wanted leave: starting ones first, busy ones never.
    while (ready + creating.length > target && (creating.length > 0 || ready > running.length)) {
      if (creating.pop() === undefined) ready--
    }
    while (ready + creating.length < target) {
      if (creationMillis > 0) creating.push(creationMillis)
      else ready++
    }
    while (running.length < ready && queue.length > 0) {
      queue.shift()
      running.push(serviceMillis)
    }
    if (now % tickEvery > 0) continue
    for (const which of ["arrivals", "endings"] as const) {
      const total = which === "arrivals" ? arrivals : ended
      const rate = ((total - counted[which]) * 1000) / tickEvery
      averages[which].fast.update(rate, tickEvery)
      averages[which].slow.update(rate, tickEvery)
    }
    counted = { arrivals, endings: ended }
    const sample = sampleOf({
      now,
      min,
      max,
      target,
      busy: running.length,
      idle: ready - running.length,
      starting: creating.length,
      queued: queue.length,
      oldestWaitMillis: now - (queue[0] ?? now),
      arrivals,
      ended,
      arrivalRate: { fast: averages.arrivals.fast.value, slow: averages.arrivals.slow.value },
      endedRate: { fast: averages.endings.fast.value, slow: averages.endings.slow.value },
      serviceMillis: ended === 0 ? null : serviceMillis,
      creationMillis,
      system: readingOf(),
      utilization: Array.from({ length: ready }, (_, i) => ({
        workerId: i,
        utilization: i < running.length ? 1 : 0
      }))
    })
    const [answer, next] = policy.decide(sample, state)
    ticks.push({ now, sample, from: target, to: answer.target, reason: answer.reason })
    state = next
    target = answer.target
  }
  return ticks
}

/** Worker-seconds that were wanted. */
export const workerSeconds = (ticks: ReadonlyArray<Tick>): number =>
  ticks.reduce((sum, { to }) => sum + (to * tickEvery) / 1000, 0)
