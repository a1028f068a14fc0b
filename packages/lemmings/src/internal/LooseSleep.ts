/**
 * A sleep on the clock of the process that does not keep the process alive, unless it is told to.
 *
 * The facility is looked for at run time, so that nothing of Node.js is imported: in Node.js and Bun a timer is an object
 * that knows how, in Deno it is a number. A browser has no process to keep.
 */
import { Clock, Context } from "effect"

/** A sleep that has begun. */
export interface Sleeping {
  readonly cancel: () => void
  /** Whether the process has to go on until it wakes. */
  readonly keep: (keep: boolean) => void
}

/** Begins a sleep of so many whole milliseconds, and calls `wake` at its end, never before it returns. */
export type Sleep = (millis: number, wake: () => void) => Sleeping

interface Timer {
  readonly ref?: () => unknown
  readonly unref?: () => unknown
}

interface Host {
  readonly setTimeout: (f: () => void, millis: number) => unknown
  readonly clearTimeout: (timer: unknown) => void
  readonly Deno?: {
    readonly refTimer: (timer: unknown) => void
    readonly unrefTimer: (timer: unknown) => void
  }
}

const host = globalThis as unknown as Host
// Longer ones would end at once.
const longest = 2_147_483_647

const keeping = (timer: unknown, keep: boolean) => {
  if (typeof timer === "object" && timer !== null) {
    const { ref, unref }: Timer = timer
    if (keep) ref?.call(timer)
    else unref?.call(timer)
  } else if (keep) host.Deno?.refTimer(timer)
  else host.Deno?.unrefTimer(timer)
}

/** Begins one that keeps no process. It may end early where it would have to be longer than 24 days. */
export const begin: Sleep = (millis, wake) => {
  const timer = host.setTimeout(wake, Math.min(longest, millis))
  keeping(timer, false)
  return { cancel: () => host.clearTimeout(timer), keep: (keep) => keeping(timer, keep) }
}

/** Whether a clock sleeps as the process does. Others, such as one of a test, have to be asked. */
export const isLive = (clock: Clock.Clock): boolean =>
  clock.sleep === Context.get(Context.empty(), Clock.Clock).sleep
