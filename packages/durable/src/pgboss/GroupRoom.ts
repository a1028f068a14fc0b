/**
 * Whether a group has room for more waiting jobs, without counting them for every one that comes.
 *
 * **Details**
 *
 * Of what is free when a group is counted, this process may take a sixteenth in a second before it counts again; a group that is
 * nearly full is counted each time. To count costs what the index entries of the group cost, so that one that is full is not
 * counted more often than ten times a second.
 */
import type { NewJob } from "../port/JobStore.ts"
import { broughtBy, GroupFull } from "../port/Groups.ts"

/** How long a count is good for, in milliseconds: where there was room, and where there was none. */
const fresh = { room: 1_000, none: 100 }

/** Of what is free, taken without another count. */
const part = 16

/** Groups that are remembered. */
const most = 10_000

interface Known {
  left: number
  readonly until: number
}

type Brought = ReturnType<typeof broughtBy>[number]

/** What one process knows of the groups that it fills. */
export class GroupRoom {
  readonly #known = new Map<string, Known>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Rejects with `GroupFull`. `count` says how many wait of each of some groups, at most as many as matter. */
  async check(
    jobs: ReadonlyArray<NewJob>,
    count: (groups: ReadonlyArray<Brought>) => Promise<ReadonlyArray<number>>
  ): Promise<void> {
    const unknown = broughtBy(jobs).filter((one) => !this.#takes(one))
    if (unknown.length === 0) return
    const counts = await count(unknown)
    unknown.forEach((one, n) => this.#counted(one, counts[n] ?? 0))
  }

  #takes({ brings, group, most, queue }: Brought): boolean {
    const known = this.#known.get(`${queue}\n${group}`)
    if (known === undefined || known.until <= this.#now()) return false
    if (known.left < 0) throw new GroupFull(most)
    if (known.left < brings) return false
    known.left -= brings
    return true
  }

  #counted({ brings, group, most: limit, queue }: Brought, waiting: number) {
    if (this.#known.size >= most) this.#known.clear()
    const free = limit - waiting
    const left = free <= 0 ? -1 : Math.floor((free - Math.min(free, brings)) / part)
    const until = this.#now() + (left < 0 ? fresh.none : fresh.room)
    this.#known.set(`${queue}\n${group}`, { left, until })
    if (brings > free) throw new GroupFull(limit)
  }
}
