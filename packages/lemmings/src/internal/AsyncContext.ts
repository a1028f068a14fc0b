/**
 * The async context of JavaScript, in which `AsyncLocalStorage` keeps a request's id, its user, or OpenTelemetry's active
 * span: whatever runs for a task runs in that of the task's submitter, and what a herd does of its own in that of its layer.
 *
 * **Details**
 *
 * The facility is looked for at run time, so that nothing of Node.js is imported: Node.js, Bun and Deno have it, browsers have
 * none. A process in which nobody has loaded `AsyncLocalStorage` has nothing to keep, and pays nothing.
 *
 * Effect keeps the context of a fiber that waits. So only what starts a fiber, and what calls a function of the user, has to be
 * in the right one.
 */

interface AsyncResource {
  readonly runInAsyncScope: <Args extends ReadonlyArray<unknown>, A>(
    f: (...args: Args) => A,
    self: unknown,
    ...args: Args
  ) => A
}

interface Process {
  readonly moduleLoadList?: ReadonlyArray<string>
  readonly getBuiltinModule?: (
    name: string
  ) => { readonly AsyncResource?: new (type: string, triggerAsyncId: number) => AsyncResource } | undefined
}

/** A context that was kept. `undefined`: none was, and what runs in it runs in the one that is current. */
export type AsyncContext = AsyncResource | undefined

/** The facility of one process. */
export interface Facility {
  /** Whether there can be contexts that differ. */
  readonly isUsed: () => boolean
  /** The context that is current. */
  readonly here: () => AsyncContext
  /** Calls `f` in a context. */
  readonly run: <Args extends ReadonlyArray<unknown>, A>(
    context: AsyncContext,
    f: (...args: Args) => A,
    ...args: Args
  ) => A
}

const none: Facility = { isUsed: () => false, here: () => undefined, run: (_, f, ...args) => f(...args) }

const found = (process: Process | undefined) => {
  try {
    return process?.getBuiltinModule?.("node:async_hooks")?.AsyncResource
  } catch {
    return undefined
  }
}

/** What a process has. */
export const make = (process: Process | undefined): Facility => {
  const Resource = found(process)
  if (Resource === undefined) return none
  // A number spares the look for what has caused this, which costs more than all the rest.
  const keep = () => new Resource("lemmings", 0)
  const loaded = process?.moduleLoadList
  let seen = 0
  // A list that does not know the module that we have just got is none to go by.
  let used = !Array.isArray(loaded) || !loaded.includes("NativeModule async_hooks")
  // The context of everything, as long as there is no other.
  let only: AsyncContext

  const isUsed = (): boolean => {
    if (used || loaded === undefined || loaded.length === seen) return used
    for (; seen < loaded.length; seen++)
      if (loaded[seen]?.includes("async_local_storage") === true) used = true
    return used
  }

  return {
    isUsed,
    here: () => (isUsed() ? keep() : (only ??= keep())),
    run: (context, f, ...args) =>
      context !== undefined && isUsed() ? context.runInAsyncScope(f, undefined, ...args) : f(...args)
  }
}

const own: { readonly process?: Process } = globalThis

/** Of this process. */
export const { here, isUsed, run } = make(own.process)
