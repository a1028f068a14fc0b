// What a long line of waiting tasks costs: to join it, to serve it, and to hold it in memory.
import { priorityQueue, queue as asyncQueue } from "async"
import { Effect } from "effect"
import fastq from "fastq"
import PQueue from "p-queue"
import { withHerd, workers } from "./herds.ts"
import { bytesInUse, median, nanos, seeded, timed } from "./measure.ts"
import type { Bench, Contestant, Race } from "./Race.ts"

type Kind = "ten" | "random"

const levels: Record<Kind, number> = { ten: 10, random: 1_000_000 }

const priorities = (n: number, kind: Kind): Int32Array => {
  const random = seeded(n)
  return Int32Array.from({ length: n }, () => Math.floor(random() * levels[kind]))
}

/** How long small lines warm a library up, and how often a line is measured at most. */
interface Effort {
  readonly warmMillis: number
  readonly most: number
}

/** A stopped queue: takes tasks without starting any, then runs all of them. */
interface Line {
  readonly pause: () => Promise<unknown>
  readonly enqueue: (priorities: Int32Array) => Promise<unknown>
  readonly drain: () => Promise<unknown>
}

/** Fills and drains the line until it is warm, then at full length. Handles and promises are dropped. */
const measure =
  (n: number, kind: Kind, { most, warmMillis }: Effort, open: () => Line): Contestant =>
  async () => {
    const line = open()
    const warm = priorities(Math.min(n, 5_000), kind)
    const until = nanos() + warmMillis * 1e6
    do {
      await line.pause()
      await line.enqueue(warm)
      await line.drain()
    } while (nanos() < until)
    const input = priorities(n, kind)
    const taken: Array<{ enqueue: number; drain: number; bytes: number }> = []
    // Short lines are quick, and vary the more.
    const rounds = Math.min(most, Math.ceil(100_000 / n))
    do {
      await line.pause()
      const before = await bytesInUse()
      const enqueue = await timed(() => line.enqueue(input))
      const bytes = (await bytesInUse()) - before
      const drain = await timed(line.drain)
      taken.push({ enqueue, drain, bytes })
    } while (taken.length < rounds)
    const perTask = (of: (round: (typeof taken)[number]) => number) => median(taken.map(of)) / n
    return {
      "": perTask(({ drain, enqueue }) => enqueue + drain),
      enqueue: perTask(({ enqueue }) => enqueue),
      drain: perTask(({ drain }) => drain),
      bytes: perTask(({ bytes }) => bytes)
    }
  }

const nothing = (): void => {}
const task = Effect.sync(nothing)

const ours =
  (n: number, kind: Kind, effort: Effort): Contestant =>
  () =>
    withHerd((herd) =>
      measure(n, kind, effort, () => ({
        pause: () => Effect.runPromise(herd.pause),
        enqueue: (input) =>
          Effect.runPromise(
            Effect.gen(function* () {
              for (const priority of input) yield* herd.submit(task, { priority })
            })
          ),
        drain: () => Effect.runPromise(Effect.andThen(herd.resume, herd.awaitIdle))
      }))()
    )

const openers = {
  "p-queue": (): Line => {
    const queue = new PQueue({ concurrency: workers })
    return {
      pause: async () => queue.pause(),
      enqueue: async (input) => {
        for (const priority of input) void queue.add(nothing, { priority })
      },
      drain: () => queue.start().onIdle()
    }
  },
  "async.priorityQueue": (): Line => {
    // Smaller is first there, which costs the same.
    const queue = priorityQueue<typeof nothing>((task, done) => {
      task()
      done()
    }, workers)
    return {
      pause: async () => queue.pause(),
      enqueue: async (input) => {
        for (const priority of input) void queue.push(nothing, priority)
      },
      drain: () => {
        const drained = queue.drain()
        queue.resume()
        return drained
      }
    }
  },
  "fastq.promise": (): Line => {
    const queue = fastq.promise(async (task: typeof nothing) => task(), workers)
    return {
      pause: async () => queue.pause(),
      enqueue: async (input) => {
        for (const _ of input) void queue.push(nothing)
      },
      drain: () => {
        queue.resume()
        return queue.drained()
      }
    }
  },
  "async.queue": (): Line => {
    const queue = asyncQueue<typeof nothing>((task, done) => {
      task()
      done()
    }, workers)
    return {
      pause: async () => queue.pause(),
      enqueue: async (input) => {
        for (const _ of input) void queue.push(nothing)
      },
      drain: () => {
        const drained = queue.drain()
        queue.resume()
        return drained
      }
    }
  }
}

const pQueueMost = 100_000

const race = (n: number, kind: Kind, effort: Effort): Race => {
  const peer = (name: keyof typeof openers): Contestant => measure(n, kind, effort, openers[name])
  return {
    name: `backlog/${n}/${kind}`,
    units: { "": "ns/task", enqueue: "ns/task", drain: "ns/task", bytes: "bytes/task" },
    ours: ours(n, kind, effort),
    peers: {
      ...(n <= pQueueMost ? { "p-queue": peer("p-queue") } : {}),
      "async.priorityQueue": peer("async.priorityQueue"),
      "fastq.promise": peer("fastq.promise"),
      "async.queue": peer("async.queue")
    },
    note: [
      `${n} waiting tasks, ${kind === "ten" ? "10 priorities" : "random priorities of 1,000,000"}.`,
      "fastq and async.queue have no priorities: theirs is a first-in-first-out line.",
      ...(n > pQueueMost ? ["p-queue is absent: its insertion takes time in proportion to the line."] : [])
    ].join(" ")
  }
}

export const backlog: Bench = {
  name: "backlog",
  about: "time and memory per waiting task, for lines of 1,000 to 1,000,000",
  races: (size) => {
    const quick = size === "quick"
    const effort = {
      quick: { warmMillis: 0, most: 1 },
      usual: { warmMillis: 200, most: 10 },
      long: { warmMillis: 500, most: 100 }
    }[size]
    return (quick ? [1_000] : [1_000, 10_000, 100_000, 1_000_000]).flatMap((n) => [
      race(n, "ten", effort),
      race(n, "random", effort)
    ])
  }
}
