/**
 * The settings of a herd: one table with every name, default, rule and meaning,
 * from which decoding, environment configuration and documentation are made.
 *
 * @since 0.1.0
 */
import { Config, type Duration, Effect, Schema } from "effect"
import * as Durations from "./Durations.ts"
import { InvalidConfig } from "./HerdError.ts"

/**
 * What happens to a task that comes when the queue is full.
 *
 * - `suspend` (default): its submitter waits until there is room.
 * - `reject`: its submitter gets `QueueFull`.
 * - `dropOldest`: it is accepted, and the task accepted longest ago is shed.
 * - `dropLowest`: the task that would run last is shed, which may be this one.
 * - `dropLongest`: the oldest task of the key with the most waiting tasks is shed, so that one key cannot fill the queue.
 *
 * @category models
 * @since 0.1.0
 */
export const Overflow = Schema.Literals(["suspend", "reject", "dropOldest", "dropLowest", "dropLongest"])

/**
 * @category models
 * @since 0.1.0
 */
export type Overflow = typeof Overflow.Type

/**
 * When the workers of the start get their resources.
 *
 * - `background` (default): at once; the layer does not wait for them.
 * - `eager`: the layer is ready when they are, and fails with `ResourceUnavailable` when one cannot be made.
 * - `lazy`: with the first task.
 *
 * @category models
 * @since 0.2.0
 */
export const Start = Schema.Literals(["background", "eager", "lazy"])

/**
 * @category models
 * @since 0.2.0
 */
export type Start = typeof Start.Type

/**
 * Which idle worker is next: the one used last, which lets the others grow old, or the one used longest ago.
 *
 * @category models
 * @since 0.2.0
 */
export const Reuse = Schema.Literals(["lifo", "fifo"])

/**
 * @category models
 * @since 0.2.0
 */
export type Reuse = typeof Reuse.Type

/**
 * What happens to a task that holds a worker for longer than `leakAfter`: it is reported, or also interrupted.
 *
 * @category models
 * @since 0.2.0
 */
export const OnLeak = Schema.Literals(["report", "interrupt"])

/**
 * @category models
 * @since 0.2.0
 */
export type OnLeak = typeof OnLeak.Type

/**
 * The policies that have a name, with their default parameters. `"auto"`: `"instant"` where workers own nothing, and
 * `"littlesLaw"` where they own a resource.
 *
 * @category models
 * @since 0.2.0
 */
export const Scaling = Schema.Literals([
  "auto",
  "fixed",
  "instant",
  "littlesLaw",
  "throughput",
  "memory",
  "latency",
  "gradient",
  "eventLoop",
  "utilization"
])

/**
 * @category models
 * @since 0.2.0
 */
export type Scaling = typeof Scaling.Type

/**
 * What a layer may be told. Every field has a default.
 *
 * @category models
 * @since 0.1.0
 */
export interface HerdOptions<out O extends Overflow = Overflow, out S extends Start = Start> {
  readonly workers?:
    | {
        readonly min?: number | undefined
        readonly max?: number | undefined
        readonly initial?: number | undefined
      }
    | undefined
  readonly queue?:
    | {
        readonly capacity?: number | "unbounded" | undefined
        readonly overflow?: O | undefined
        readonly ageing?: Duration.Input | "never" | undefined
        readonly order?: "arrival" | "fair" | undefined
        readonly cost?: "weight" | "time" | undefined
      }
    | undefined
  readonly shutdown?:
    | {
        readonly drain?: Duration.Input | undefined
        readonly interrupt?: Duration.Input | undefined
        readonly destroy?: Duration.Input | undefined
      }
    | undefined
  readonly start?: S | undefined
  readonly createTimeout?: Duration.Input | undefined
  readonly maxCreating?: number | undefined
  readonly validateAfter?: Duration.Input | undefined
  readonly validateTimeout?: Duration.Input | undefined
  readonly idleTimeToLive?: Duration.Input | "never" | undefined
  readonly maxLifetime?: Duration.Input | "never" | undefined
  readonly keepAlive?: Duration.Input | "never" | undefined
  readonly maxUses?: number | "unlimited" | undefined
  readonly reuse?: Reuse | undefined
  readonly leakAfter?: Duration.Input | "never" | undefined
  readonly onLeak?: OnLeak | undefined
  readonly scalingInterval?: Duration.Input | undefined
  readonly spares?: number | undefined
  readonly maxTemporary?: number | undefined
  readonly maxRequeues?: number | undefined
  readonly window?: Duration.Input | undefined
}

interface Setting {
  readonly path: string
  readonly meaning: string
  readonly rule: string
  readonly fallback: string
  /** Returns `undefined` for what breaks the rule. */
  readonly parse: (value: unknown) => number | string | undefined
}

const most = 1_000_000
// What `workers.initial` is when nobody says.
const ofWorkers = "workers.min, or workers.max with fixed scaling"
const count = (path: string, min: number, fallback: string, meaning: string): Setting => ({
  path,
  meaning,
  rule: `an integer from ${min} to ${most.toLocaleString("en-US")}`,
  fallback,
  parse: (value) => {
    const n = typeof value === "string" && /^\d+$/.test(value.trim()) ? Number(value) : value
    return typeof n === "number" && Number.isInteger(n) && n >= min && n <= most ? n : undefined
  }
})

const unbounded = (path: string, min: number, word: string, meaning: string): Setting => ({
  ...count(path, min, word, meaning),
  rule: `an integer from ${min} to ${most.toLocaleString("en-US")}, or "${word}"`,
  parse: (value) => (value === word || value === Infinity ? Infinity : count("", min, "", "").parse(value))
})

const choice = (
  path: string,
  fallback: string,
  literals: ReadonlyArray<string>,
  meaning: string
): Setting => ({
  path,
  meaning,
  rule: `${literals
    .slice(0, -1)
    .map((word) => `"${word}"`)
    .join(", ")} or "${literals.at(-1)}"`,
  fallback,
  parse: (value) => (typeof value === "string" && literals.includes(value) ? value : undefined)
})

const time = (path: string, fallback: string, meaning: string, rule = Durations.any): Setting => ({
  path,
  meaning,
  rule: rule.text,
  fallback,
  parse: rule.millis
})

// A resource that is too old as soon as it is made, or is looked at all the time, would never be lent.
const positiveOrNever = Durations.rule({ least: "positive", never: true })

/**
 * Every setting of a herd, in the order of the documentation.
 *
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting> = [
  count("workers.min", 0, "1", "Workers kept when there is nothing to do. Workers beyond are burst workers."),
  count("workers.max", 1, "16", "Most workers ever, starting and stopping ones included."),
  {
    ...choice(
      "scaling",
      "auto",
      Scaling.literals,
      "Who decides the number of workers. A policy of ScalingPolicy, or the name of one."
    ),
    parse: (value) =>
      Schema.is(Scaling)(value)
        ? value
        : typeof value === "object" && value !== null && "decide" in value
          ? "policy"
          : undefined
  },
  time("scalingInterval", "250 millis", "How often the scaling policy is asked.", Durations.positive),
  count("workers.initial", 0, ofWorkers, "Workers at the start."),
  unbounded(
    "queue.capacity",
    0,
    "unbounded",
    "Most tasks that wait. 0: a task is accepted only when a worker is idle or comes for it."
  ),
  choice(
    "queue.overflow",
    "suspend",
    Overflow.literals,
    "What happens to a task that comes when the queue is full."
  ),
  time(
    "queue.ageing",
    "5 seconds",
    "Waiting time that is worth one level of priority. 0: levels count for nothing. never: strict order.",
    Durations.orNever
  ),
  choice(
    "queue.order",
    "arrival",
    ["arrival", "fair"],
    "Who is next within a level: the first that came, or the keys in turn, by their shares."
  ),
  choice(
    "queue.cost",
    "weight",
    ["weight", "time"],
    "What a start costs a key in fair order: its weight, or its weight times the run time of its label."
  ),
  time("shutdown.drain", "30 seconds", "How long stop lets queued and running tasks go on."),
  time("shutdown.interrupt", "5 seconds", "How long stop then waits for interrupted tasks to end."),
  time("shutdown.destroy", "5 seconds", "How long one onDestroy may take before it is reported as leaked."),
  choice("start", "background", Start.literals, "When the workers of the start get their resources."),
  time("createTimeout", "30 seconds", "Longest run of one onCreate, ready included.", Durations.positive),
  count(
    "maxCreating",
    1,
    "32",
    "Most resources in creation at one time, spares and temporary ones not counted."
  ),
  time("validateAfter", "500 millis", "A resource unused for longer is validated before a task gets it."),
  time("validateTimeout", "5 seconds", "Longest run of one validate. Beyond, the resource is replaced."),
  time(
    "idleTimeToLive",
    "10 minutes",
    "A burst worker idle for longer leaves. Never below workers.min, nor with fixed scaling.",
    Durations.orNever
  ),
  time(
    "maxLifetime",
    "30 minutes",
    "Age at which a resource is replaced, less up to 2.5 %; not before its task has ended.",
    positiveOrNever
  ),
  time("keepAlive", "never", "How often an idle resource is validated, less up to 10 %.", positiveOrNever),
  unbounded("maxUses", 1, "unlimited", "Tasks after which a resource is replaced."),
  choice(
    "reuse",
    "lifo",
    Reuse.literals,
    "Which idle worker is next: the one used last, or the one used longest ago."
  ),
  time(
    "leakAfter",
    "never",
    "A task that holds a worker for longer is reported, with its span and its stack.",
    Durations.orNever
  ),
  choice("onLeak", "report", OnLeak.literals, "Whether such a task is interrupted, too."),
  count("spares", 0, "0", "Resources kept beside the workers for runNow."),
  count(
    "maxTemporary",
    0,
    "16",
    "Most temporary resources of runNow at one time. Beyond, runNow waits first in line."
  ),
  count("maxRequeues", 0, "3", "How often one task is queued again because its worker was unhealthy."),
  time("window", "60 seconds", "Span of the rates and percentiles in metrics.", Durations.finite)
]

/**
 * Settings after decoding: every field present, times in milliseconds,
 * `Infinity` for unbounded and never.
 *
 * @category models
 * @since 0.1.0
 */
export interface HerdConfig {
  readonly workers: { readonly min: number; readonly max: number; readonly initial: number }
  readonly queue: {
    readonly capacity: number
    readonly overflow: Overflow
    readonly ageing: number
    readonly order: "arrival" | "fair"
    readonly cost: "weight" | "time"
  }
  readonly shutdown: { readonly drain: number; readonly interrupt: number; readonly destroy: number }
  readonly scaling: Scaling | "policy"
  readonly scalingInterval: number
  readonly start: Start
  readonly createTimeout: number
  readonly maxCreating: number
  readonly validateAfter: number
  readonly validateTimeout: number
  readonly idleTimeToLive: number
  readonly maxLifetime: number
  readonly keepAlive: number
  readonly maxUses: number
  readonly reuse: Reuse
  readonly leakAfter: number
  readonly onLeak: OnLeak
  readonly spares: number
  readonly maxTemporary: number
  readonly maxRequeues: number
  readonly window: number
}

const at = (options: object, path: string): unknown =>
  path.split(".").reduce<unknown>((node, key) => {
    const children: { readonly [key: string]: unknown } =
      typeof node === "object" && node !== null ? { ...node } : {}
    return children[key]
  }, options)

const invalid = (field: string, value: unknown, rule: string) =>
  Effect.fail(new InvalidConfig({ field, value, rule }))

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The first field that no setting has, or a group that is not a record. */
const unknownField = (options: object, known: ReadonlyArray<string>): string | undefined => {
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue
    const group = settings.some((setting) => setting.path.startsWith(`${key}.`))
    if (!group && !known.includes(key) && !settings.some((setting) => setting.path === key)) return key
    if (!group) continue
    if (!isRecord(value)) return key
    for (const [name, child] of Object.entries(value)) {
      if (child !== undefined && !settings.some((setting) => setting.path === `${key}.${name}`))
        return `${key}.${name}`
    }
  }
  return undefined
}

/**
 * Fills in defaults and checks every field. Fails with `InvalidConfig`, which
 * names the first field that is wrong, its value and its rule. Fields in `known`
 * belong to the caller and are passed over.
 *
 * **Example** (Reading a mistake)
 *
 * ```ts import.meta.vitest
 * import { Effect } from "effect"
 * import { HerdConfig } from "lemmings"
 *
 * const error = await Effect.runPromise(Effect.flip(HerdConfig.decode({ workers: { min: 8, max: 4 } })))
 *
 * error.message // => "workers.min must be at most workers.max (4), got 8"
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (
  options: HerdOptions,
  known: ReadonlyArray<string> = []
): Effect.Effect<HerdConfig, InvalidConfig> =>
  Effect.gen(function* () {
    const stray = unknownField(options, known)
    if (stray !== undefined) return yield* invalid(stray, at(options, stray), "a setting of the herd")
    const read = new Map<string, number | string>()
    for (const setting of settings) {
      const value = at(options, setting.path)
      const fixed = read.get("scaling") === "fixed"
      const fallback =
        setting.fallback === ofWorkers ? read.get(fixed ? "workers.max" : "workers.min") : setting.fallback
      const parsed = setting.parse(value === undefined ? fallback : value)
      if (parsed === undefined) return yield* invalid(setting.path, value, setting.rule)
      read.set(setting.path, parsed)
    }
    const n = (path: string) => Number(read.get(path))
    const word = <A extends string>(path: string, schema: Schema.Codec<A>) =>
      Schema.decodeUnknownSync(schema)(read.get(path))
    const config: HerdConfig = {
      workers: { min: n("workers.min"), max: n("workers.max"), initial: n("workers.initial") },
      queue: {
        capacity: n("queue.capacity"),
        overflow: word("queue.overflow", Overflow),
        ageing: n("queue.ageing"),
        order: word("queue.order", Schema.Literals(["arrival", "fair"])),
        cost: word("queue.cost", Schema.Literals(["weight", "time"]))
      },
      shutdown: {
        drain: n("shutdown.drain"),
        interrupt: n("shutdown.interrupt"),
        destroy: n("shutdown.destroy")
      },
      scaling: read.get("scaling") === "policy" ? "policy" : word("scaling", Scaling),
      scalingInterval: n("scalingInterval"),
      start: word("start", Start),
      createTimeout: n("createTimeout"),
      maxCreating: n("maxCreating"),
      validateAfter: n("validateAfter"),
      validateTimeout: n("validateTimeout"),
      idleTimeToLive: n("idleTimeToLive"),
      maxLifetime: n("maxLifetime"),
      keepAlive: n("keepAlive"),
      maxUses: n("maxUses"),
      reuse: word("reuse", Reuse),
      leakAfter: n("leakAfter"),
      onLeak: word("onLeak", OnLeak),
      spares: n("spares"),
      maxTemporary: n("maxTemporary"),
      maxRequeues: n("maxRequeues"),
      window: n("window")
    }
    yield* checkBounds(config.workers)
    if (config.workers.initial > config.workers.max) {
      return yield* invalid(
        "workers.initial",
        config.workers.initial,
        `at most workers.max (${config.workers.max})`
      )
    }
    return config
  })

/**
 * Checks a whole number in a range.
 *
 * @category decoding
 * @since 0.3.0
 */
export const checkInteger = (
  field: string,
  value: number,
  least: number,
  most: number
): Effect.Effect<number, InvalidConfig> =>
  Number.isInteger(value) && value >= least && value <= most
    ? Effect.succeed(value)
    : invalid(field, value, `an integer from ${least} to ${most}`)

/**
 * Floor and ceiling of the number of workers: whole numbers, `min` at least 0, `max` at least 1 and at least `min`.
 *
 * @category models
 * @since 0.5.0
 */
export interface Bounds {
  readonly min: number
  readonly max: number
}

/**
 * Checks a pair of bounds, as `setBounds` takes it.
 *
 * @category decoding
 * @since 0.1.0
 */
export const checkBounds = (bounds: Bounds): Effect.Effect<void, InvalidConfig> =>
  Effect.gen(function* () {
    for (const name of ["min", "max"] as const) {
      const setting = settings.find(({ path }) => path === `workers.${name}`)
      if (setting?.parse(bounds[name]) === undefined) {
        return yield* invalid(`workers.${name}`, bounds[name], setting?.rule ?? "")
      }
    }
    if (bounds.min > bounds.max) {
      return yield* invalid("workers.min", bounds.min, `at most workers.max (${bounds.max})`)
    }
  })

/**
 * The environment variable of a setting: `workers.min` is `LEMMINGS_WORKERS_MIN`.
 *
 * @category environment
 * @since 0.1.0
 */
export const variable = (path: string): string =>
  `LEMMINGS_${path
    .replace(/([A-Z])/g, "_$1")
    .replaceAll(".", "_")
    .toUpperCase()}`

/**
 * Reads and checks every setting from the environment, so that `decode` fails
 * with the variable's name where a value is wrong.
 *
 * @category environment
 * @since 0.1.0
 */
export const fromEnvironment: Effect.Effect<HerdConfig, InvalidConfig> = Effect.gen(function* () {
  const options: { [key: string]: unknown } = {}
  for (const { parse, path, rule } of settings) {
    const name = variable(path)
    const value = yield* Config.option(Config.String(name)).pipe(
      Effect.catch((error) => invalid(name, error.message, rule))
    )
    if (value._tag === "None") continue
    if (parse(value.value) === undefined) return yield* invalid(name, value.value, rule)
    const [group = path, field] = path.split(".")
    if (field === undefined) options[group] = value.value
    else options[group] = Object.assign(options[group] ?? {}, { [field]: value.value })
  }
  return yield* decode(options)
})
