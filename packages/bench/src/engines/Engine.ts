// What every job engine does in the races: it stores emails, and hands them to a handler.

/** The payload of a job. */
export interface Email {
  readonly n: number
  readonly to: string
  readonly template: string
}

export const email = (n: number): Email => ({ n, to: `user${n}@example.org`, template: "welcome" })

/** Called when a job starts, which is all that it does. */
export type Handle = (email: Email) => void

/** The most jobs that may run at once in a process. */
export const concurrency = 16

/** How many jobs are claimed at once where it is not as many as may run: what spares round trips. */
export const many = 256

/** How many jobs a bulk call takes. */
export const bulk = 1_000

export interface Engine {
  /** Stores one: it is durable when this settles. */
  readonly enqueue: (email: Email) => Promise<unknown>
  /** Stores many, as the engine's users would. */
  readonly enqueueAll: (emails: ReadonlyArray<Email>) => Promise<unknown>
  /** Starts workers that go on until the engine is closed. */
  readonly work: (handle: Handle) => Promise<unknown>
  /** Stores one and waits for its result. */
  readonly execute?: (email: Email) => Promise<unknown>
  readonly close: () => Promise<unknown>
}

/** Opens an engine on a server, in a folder, or in memory, for which `where` means nothing. */
export type Open = (where: string) => Promise<Engine>

/** In pieces of what a bulk call takes, one after the other. */
export const inBulk = async (
  emails: ReadonlyArray<Email>,
  store: (some: ReadonlyArray<Email>) => Promise<unknown>
): Promise<void> => {
  for (let i = 0; i < emails.length; i += bulk) await store(emails.slice(i, i + bulk))
}
