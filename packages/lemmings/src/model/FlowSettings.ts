/** The settings of flow control that are data: their table, and the environment. */
import { Config, Effect } from "effect"
import { InvalidConfig } from "./HerdError.ts"
import { decodeAll, type FlowControlOptions } from "./Limits.ts"

export interface FlowSetting {
  readonly path: string
  readonly meaning: string
  readonly rule: string
  readonly fallback: string
  /** How the environment says it. */
  readonly kind: "number" | "flag" | "text"
}

const row = (
  kind: FlowSetting["kind"],
  path: string,
  rule: string,
  fallback: string,
  meaning: string
): FlowSetting => ({
  kind,
  path,
  rule,
  fallback,
  meaning
})

const rateRows = (path: string, whose: string): ReadonlyArray<FlowSetting> => [
  row(
    "number",
    `${path}.limit`,
    "a number, at least 0",
    "no limit",
    `Weight ${whose} that may start in \`per\`.`
  ),
  row(
    "text",
    `${path}.per`,
    `a duration such as "1 second", longer than 0`,
    "with limit",
    "The span of the rate."
  ),
  row(
    "number",
    `${path}.burst`,
    "a number, at least 1",
    "limit",
    `Most weight ${whose} that may start at once.`
  ),
  row("text", `${path}.window`, `"gcra" or "sliding"`, "gcra", "Even, or exact in every window of the span.")
]

/** Every setting of flow control that is data, in the order of the documentation. */
export const flowSettings: ReadonlyArray<FlowSetting> = [
  row("number", "limits.weight", "a number above 0", "no limit", "Most weight that runs at one time."),
  ...rateRows("limits.rate", "of the herd"),
  row(
    "number",
    "limits.perKey.concurrency",
    "a number, at least 1",
    "no limit",
    "Most weight of one key that runs."
  ),
  row(
    "flag",
    "limits.perKey.ordered",
    "true or false",
    "false",
    "The next task of a key starts when the one before has ended, retries included."
  ),
  row(
    "flag",
    "limits.perKey.burst",
    "true or false",
    "false",
    "The limit of a key binds only while a task of another key could run."
  ),
  row(
    "number",
    "limits.perKey.queue",
    "an integer, at least 1",
    "no limit",
    "Most tasks of one key that wait."
  ),
  row(
    "number",
    "limits.perKey.share",
    "a number above 0",
    "1",
    "What a key gets while others want it, relative to theirs, in fair order."
  ),
  ...rateRows("limits.perKey.rate", "of one key"),
  row(
    "text",
    "overload.after",
    `a duration such as "5 seconds", longer than 0`,
    "off",
    "An overload begins when the line has not been without a ready task for so long. Any of the three turns it on."
  ),
  row(
    "text",
    "overload.maxWait",
    `a duration such as "5 seconds", at least 0`,
    "500 millis",
    "Longest wait of a task that starts during an overload."
  ),
  row(
    "text",
    "overload.order",
    `"oldestFirst" or "newestFirst"`,
    "oldestFirst",
    "Who is next in a flow during an overload."
  ),
  row(
    "number",
    "retryBudget.ratio",
    "a number above 0 and at most 1",
    "off",
    "Retries for each first attempt, within ten seconds. Any of the two turns the budget on."
  ),
  row(
    "number",
    "retryBudget.perSecond",
    "a number, at least 0",
    "10",
    "Retries a second that are always allowed."
  )
]

/** What the environment says is text. */
const said = (kind: FlowSetting["kind"], text: string): unknown => {
  if (kind === "number" && /^\s*\d+(\.\d+)?\s*$/.test(text)) return Number(text)
  if (kind === "flag" && (text === "true" || text === "false")) return text === "true"
  return text
}

/**
 * Reads and checks the settings of flow control from the environment. `variable`: the name of a setting there.
 */
export const fromEnvironment = (
  variable: (path: string) => string
): Effect.Effect<FlowControlOptions, InvalidConfig> =>
  Effect.gen(function* () {
    const options: { [name: string]: unknown } = {}
    for (const { kind, path, rule } of flowSettings) {
      const name = variable(path)
      const value = yield* Config.option(Config.String(name)).pipe(
        Effect.catch((error) => Effect.fail(new InvalidConfig({ field: name, value: error.message, rule })))
      )
      if (value._tag === "None" || value.value === "") continue
      const places = path.split(".")
      const last = places.pop() ?? path
      let group = options
      for (const place of places) group = (group[place] ??= {}) as typeof options
      group[last] = said(kind, value.value)
    }
    // Where a variable is wrong, its name is what helps.
    yield* Effect.mapError(decodeAll(options), (error) =>
      flowSettings.some(({ path }) => path === error.field)
        ? new InvalidConfig({ field: variable(error.field), value: error.value, rule: error.rule })
        : error
    )
    return options
  })
