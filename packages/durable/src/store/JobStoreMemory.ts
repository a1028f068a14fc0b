/** A store in the memory of this process, for tests and for jobs that may be lost. Its time is `Clock`. */
import { Clock, Effect, Layer } from "effect"
import {
  type Claim,
  type ClaimedJob,
  type DeadFilter,
  type DeadLetter,
  type Failure,
  JobStore,
  type NewJob,
  type News,
  type PagesOptions,
  type QueueStats,
  type Settlement,
  type Store,
  type Swept,
  type Within
} from "../port/JobStore.ts"
import { broughtBy, GroupFull } from "../port/Groups.ts"
import * as Housekeeping from "../port/Housekeeping.ts"
import * as Limits from "../port/Limits.ts"
import { afterLoss } from "../port/Losses.ts"
import { MemorySchedules } from "./MemorySchedules.ts"
import { MemoryAlarm, steadyOf } from "./MemoryAlarm.ts"
import { countWaiting, lastMinute, Line, type Queue, recordOf, type Row, rowOf } from "./MemoryLine.ts"
import { byPage, fit, matches, op, said, stored } from "./MemoryStored.ts"

const lapsed: Failure = { reason: "lost", message: "the lease lapsed: its process ended or did not renew it" }

const make = Effect.fnUntraced(function* (leaseMillis: number) {
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const queues = new Map<string, Queue>()
  const listeners = new Set<(news: News) => void>()
  /** What a dead letter was, also when the job itself is kept no longer. */
  const buried = new WeakMap<DeadLetter, Row>()
  let sequence = 0
  const begun = now()
  // What leases, delays and rates go by.
  const steady = steadyOf(clock)
  const alarm = new MemoryAlarm(steady)

  const tell = (news: News) => {
    for (const listener of listeners) listener(news)
  }
  const queueOf = (name: string): Queue => {
    const queue = queues.get(name)
    if (queue === undefined) throw new Error(`queue "${name}" was not declared`)
    return queue
  }
  const wait = (queue: Queue, row: Row, startAt: number) => {
    row.state = "waiting"
    countWaiting(queue, row, 1)
    row.startAt = startAt
    queue.running.delete(row)
    if (startAt > steady()) {
      queue.later.add(row)
      alarm.set(startAt)
    } else queue.line.add(row)
  }
  const add = (queue: Queue, job: NewJob): boolean => {
    if (queue.rows.has(job.id)) return false
    const at = now()
    const row = rowOf(job, sequence++, at)
    queue.rows.set(job.id, row)
    wait(queue, row, steady() + (job.at === undefined ? (job.delayMillis ?? 0) : job.at - at))
    return true
  }
  const end = (queue: Queue, row: Row, state: "completed" | "failed" | "cancelled") => {
    if (row.state === "waiting") countWaiting(queue, row, -1)
    row.state = state
    row.endedAt = now()
    queue.running.delete(row)
    queue.ended.add(row)
    alarm.set(row.endedAt + queue.spec.keepEndedMillis)
    if (state === "failed" && queue.spec.deadLetter) {
      const id = crypto.randomUUID()
      const letter: DeadLetter = {
        id,
        jobId: row.id,
        queue: row.queue,
        payload: row.payload,
        failure: row.failure ?? lapsed,
        attempts: row.attempts,
        enqueuedAt: row.createdAt,
        diedAt: row.endedAt
      }
      queue.dead.set(id, letter)
      buried.set(letter, row)
    }
    if (row.watched) tell({ _tag: "Ended", queue: row.queue, id: row.id })
  }
  const held = (queue: Queue, { claim, id }: Claim): Row | undefined => {
    const row = queue.rows.get(id)
    return row?.state === "running" && row.claim === claim ? row : undefined
  }
  const settle = (queue: Queue, row: Row, settlement: Settlement) => {
    switch (settlement._tag) {
      case "Complete":
        row.result = settlement.result
        return end(queue, row, "completed")
      case "Discard":
        row.failure = settlement.failure
        return end(queue, row, "failed")
      case "Retry":
        row.failure = settlement.failure
        row.apart = false
        return wait(queue, row, steady() + settlement.delayMillis)
      case "Release":
        row.attempts--
        wait(queue, row, steady())
        return tell({ _tag: row.apart ? "Overdue" : "Available", queue: row.queue })
    }
  }
  /** Forgets what was kept long enough. Returns how many. */
  const prune = (queue: Queue): number => {
    const at = now()
    const before = queue.ended.size + queue.dead.size
    for (const row of queue.ended) {
      if (row.endedAt! + queue.spec.keepEndedMillis > at) break
      queue.ended.delete(row)
      queue.rows.delete(row.id)
    }
    for (const letter of queue.dead.values()) {
      if (letter.diedAt + queue.spec.keepDeadMillis <= at) queue.dead.delete(letter.id)
    }
    return before - queue.ended.size - queue.dead.size
  }
  /** The same, and puts those in line whose time has come. */
  const housekeep = (queue: Queue) => {
    const at = steady()
    for (const row of queue.later) {
      if (row.startAt > at) continue
      queue.later.delete(row)
      queue.line.add(row)
    }
    prune(queue)
  }
  yield* Effect.forkScoped(Housekeeping.watched("The clock of jobs", alarm.keep(queues, tell)))

  const sweep = (queue: Queue): Swept => {
    housekeep(queue)
    const gone = [...queue.running].filter((row) => row.leasedUntil < steady())
    for (const row of gone) {
      row.failure = lapsed
      const { apart, goesOn } = afterLoss(row.maxAttempts, ++row.losses)
      row.apart = apart
      if (goesOn) wait(queue, row, steady())
      else end(queue, row, "failed")
    }
    if (gone.length > 0) tell({ _tag: "Available", queue: queue.spec.name })
    const dead = gone.filter(({ state }) => state === "failed")
    return {
      count: gone.length,
      apart: queue.line.has(true) ? [queue.spec.name] : [],
      dead: dead.map(({ attempts, failure = lapsed, id, queue }) => ({ queue, id, attempts, failure }))
    }
  }
  const claim = (queue: Queue, max: number, apart = false, perGroup = Infinity): Array<ClaimedJob> => {
    if (queue.paused) return []
    housekeep(queue)
    const inGroup = new Map<string, number>()
    if (perGroup !== Infinity) {
      for (const { group } of queue.running)
        if (group !== undefined) inGroup.set(group, (inGroup.get(group) ?? 0) + 1)
    }
    const room = (group: string | undefined) =>
      group === undefined ? Infinity : perGroup - (inGroup.get(group) ?? 0)
    const some = max <= 0 ? [] : apart ? queue.line.takeApart(room) : queue.line.take(max, room)
    return some.map((row) => {
      row.state = "running"
      countWaiting(queue, row, -1)
      row.claim++
      row.attempts++
      row.leasedUntil = steady() + leaseMillis
      alarm.set(row.leasedUntil + 1)
      queue.running.add(row)
      const { attempts: attempt, claim, id, losses, maxAttempts, payload, priority, trace } = row
      const attempts = maxAttempts + losses
      // A handler may change what it is given.
      return { id, claim, attempt, attempts, losses, payload: stored(payload), priority, trace }
    })
  }
  const claimWithin = (queue: Queue, max: number, limits: Limits.Limits, apart?: boolean): Within => {
    const usage = { now: steady(), running: queue.running.size, freeAt: queue.freeAt }
    const room = Limits.allowed(limits, usage, max)
    const jobs = claim(queue, room, apart, limits.perGroup)
    const after = Limits.spent(limits, usage, jobs.length)
    queue.freeAt = after.freeAt
    const keptBack = jobs.length === room && room < max && !queue.paused
    return { jobs, opensInMillis: keptBack ? Limits.opensIn(limits, after) : undefined }
  }
  const stats = (queue: Queue): QueueStats => {
    housekeep(queue)
    return {
      queue: queue.spec.name,
      paused: queue.paused,
      waiting: queue.line.size,
      delayed: queue.later.size,
      running: queue.running.size,
      deadLetters: queue.dead.size,
      oldestMillis: Math.max(0, steady() - queue.line.oldest),
      lastMinute: lastMinute(queue.ended, now())
    }
  }
  const deadOf = (queue: Queue, filter?: DeadFilter) => {
    housekeep(queue)
    return [...queue.dead.values()].filter((letter) => matches(letter, filter))
  }
  /** The job of a key, whose id says so, is made anew in its place; others get a new id. */
  const replayOne = (queue: Queue, letter: DeadLetter) => {
    queue.dead.delete(letter.id)
    const old = buried.get(letter)!
    const { group, maxAttempts: attempts, payload, priority, trace } = old
    const keyed = letter.jobId[14] === "8"
    const there = queue.rows.get(letter.jobId)
    const keeps = keyed && (there === undefined || there.state === "failed")
    if (keeps && there !== undefined) {
      queue.ended.delete(there)
      queue.rows.delete(there.id)
    }
    const id = keeps ? letter.jobId : crypto.randomUUID()
    add(queue, { queue: letter.queue, id, payload, priority, attempts, group, trace })
    // A late answer is still late.
    queue.rows.get(id)!.claim = there?.claim ?? 0
  }
  /** Dead letters that there were at the call. */
  const pages = (
    operation: string,
    name: string,
    filter: DeadFilter | undefined,
    options: PagesOptions | undefined,
    each: (queue: Queue, letter: DeadLetter) => void
  ) =>
    Effect.flatMap(
      op(operation, () => deadOf(queueOf(name), filter)),
      (letters) =>
        byPage(operation, letters, options, (letter) => {
          const queue = queueOf(name)
          if (!queue.dead.has(letter.id)) return false
          each(queue, letter)
          return true
        })
    )
  const schedules = new MemorySchedules(now, ({ group, payload, priority, queue }) => {
    const { spec } = queueOf(queue)
    add(queueOf(queue), { queue, id: crypto.randomUUID(), payload, priority, group, attempts: spec.attempts })
    tell({ _tag: "Available", queue })
  })
  yield* Effect.forkScoped(Housekeeping.watched("The look at schedules", schedules.keep))

  const watched = (name: string, id: string) => {
    const row = queueOf(name).rows.get(id)
    if (row !== undefined) row.watched = true
    return row === undefined ? undefined : recordOf(row)
  }

  const store: Store = {
    engine: "memory",
    leaseMillis,
    declare: (spec) =>
      op("declare", () => {
        const queue = queues.get(spec.name)
        if (queue !== undefined) queue.spec = spec
        else {
          queues.set(spec.name, {
            spec,
            paused: false,
            freeAt: 0,
            rows: new Map(),
            line: new Line(),
            later: new Set(),
            running: new Set(),
            waitingIn: new Map(),
            ended: new Set(),
            dead: new Map()
          })
        }
      }),
    enqueue: (jobs) =>
      op("enqueue", () => {
        const refused: Array<string> = []
        const told = new Set<string>()
        const checked = jobs.map((job) => [queueOf(job.queue), { ...job, ...fit(job) }] as const)
        for (const { brings, group, most, queue } of broughtBy(jobs))
          if ((queueOf(queue).waitingIn.get(group) ?? 0) + brings > most) throw new GroupFull(most)
        for (const [queue, job] of checked) {
          if (!add(queue, job)) refused.push(job.id)
          else told.add(job.queue)
        }
        for (const queue of told) tell({ _tag: "Available", queue })
        return refused
      }),
    claim: (queue, max, apart) => op("claim", () => claim(queueOf(queue), max, apart)),
    claimWithin: (queue, max, limits, apart) =>
      op("claimWithin", () => claimWithin(queueOf(queue), max, limits, apart)),
    settle: (name, settlements) =>
      op("settle", () => {
        const queue = queueOf(name)
        const lost: Array<string> = []
        const checked = settlements.map(said)
        for (const settlement of checked) {
          const row = held(queue, settlement)
          if (row === undefined) lost.push(settlement.id)
          else settle(queue, row, settlement)
        }
        return lost
      }),
    heartbeat: (name, claims) =>
      op("heartbeat", () => {
        const queue = queueOf(name)
        const lost: Array<string> = []
        for (const claim of claims) {
          const row = held(queue, claim)
          if (row === undefined) lost.push(claim.id)
          else row.leasedUntil = steady() + leaseMillis
        }
        return lost
      }),
    tellsAll: true,
    look: (names) =>
      op("look", () =>
        names.filter((name) => {
          const queue = queueOf(name)
          housekeep(queue)
          return !queue.paused && queue.line.has(false)
        })
      ),
    sweep: (names) =>
      op("sweep", () => {
        const all = [names].flat().map((name) => sweep(queueOf(name)))
        return {
          count: all.reduce((sum, { count }) => sum + count, 0),
          apart: all.flatMap(({ apart }) => apart),
          dead: all.flatMap(({ dead }) => dead)
        }
      }),
    prune: (names) => op("prune", () => [names].flat().reduce((sum, name) => sum + prune(queueOf(name)), 0)),
    cancel: (name, ids, options) =>
      byPage("cancel", ids, options, (id) => {
        const queue = queueOf(name)
        const row = queue.rows.get(id)
        if (row?.state !== "waiting" && row?.state !== "running") return false
        queue.line.remove(row)
        queue.later.delete(row)
        end(queue, row, "cancelled")
        tell({ _tag: "Cancelled", queue: name })
        return true
      }),
    forget: (name, id) =>
      op("forget", () => {
        const queue = queueOf(name)
        const row = queue.rows.get(id)
        if (row?.endedAt === undefined) return false
        queue.ended.delete(row)
        return queue.rows.delete(id)
      }),
    setPriority: (name, id, priority) =>
      op("setPriority", () => {
        const queue = queueOf(name)
        const row = queue.rows.get(id)
        if (row?.state !== "waiting") return false
        queue.line.remove(row)
        row.priority = priority
        if (!queue.later.has(row)) queue.line.add(row)
        return true
      }),
    get: (name, id) =>
      op("get", () => {
        const row = queueOf(name).rows.get(id)
        return row === undefined ? undefined : recordOf(row)
      }),
    watch: (name, id) => op("watch", () => watched(name, id)),
    pause: (name) => op("pause", () => void (queueOf(name).paused = true)),
    resume: (name) =>
      op("resume", () => {
        queueOf(name).paused = false
        tell({ _tag: "Available", queue: name })
        if (queueOf(name).line.has(true)) tell({ _tag: "Overdue", queue: name })
      }),
    stats: (name) => op("stats", () => stats(queueOf(name))),
    dead: {
      list: (name, { after, filter, limit }) =>
        op("list dead letters", () => {
          const letters = deadOf(queueOf(name), filter)
          const from = after === undefined ? 0 : letters.findIndex(({ id }) => id === after) + 1
          return letters.slice(from, from + limit)
        }),
      replay: (name, filter, options) =>
        Effect.tap(pages("replay dead letters", name, filter, options, replayOne), (count) =>
          Effect.sync(() => count > 0 && tell({ _tag: "Available", queue: name }))
        ),
      purge: (name, filter, options) =>
        pages("purge dead letters", name, filter, options, (queue, { id }) => void queue.dead.delete(id))
    },
    schedule: (recurrence) =>
      op("schedule", () => schedules.put({ ...recurrence, payload: stored(recurrence.payload) })),
    unschedule: (name, key) => op("unschedule", () => schedules.remove(name, key)),
    schedules: (name, page) => op("schedules", () => schedules.list(name, page)),
    listen: (listener) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => listeners.add(listener)),
          () => Effect.sync(() => listeners.delete(listener))
        )
      ),
    readiness: Effect.succeed({ ready: true, since: begun, reason: undefined })
  }
  return store
})

/** A store that ends with the layer. */
export const layer = (leaseMillis = 15_000): Layer.Layer<JobStore> =>
  Layer.effect(JobStore, make(leaseMillis))
