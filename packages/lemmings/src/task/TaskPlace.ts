/** Where tasks were submitted, remembered only while somebody looks for leaks. */
import { Effect, type Scope } from "effect"

// Herds that look for leaks.
let watchers = 0

/** Has the places remembered in which tasks are submitted, until the scope closes. */
export const rememberPlaces: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => void watchers++),
  () => Effect.sync(() => watchers--)
)

/** Whether somebody looks for leaks. */
export const watching = (): boolean => watchers > 0

/** The calls that lead here, without those of Effect's runtime and our own. */
export const placeHere = (): string =>
  (new Error("here").stack ?? "")
    .split("\n")
    .filter(
      (line) =>
        line.startsWith("    at ") &&
        !/node_modules.effect|[\\/]lemmings[\\/](src|dist)[\\/]|node:/.test(line)
    )
    .join("\n")
