/**
 * The records of keys: made when a task of a key comes, changed with the limits, forgotten when they no longer matter.
 *
 * A record may go when nothing of its key waits or runs, it owes nothing in fair order, its rates are as good as unused
 * and its hold is over. There is no timer for a key: each start looks at two records, and a pool at rest sweeps.
 */
import { Ring } from "../internal/Ring.ts"
import { Key, type KeyLaw } from "./Flows.ts"
import { type Limits, ofKey } from "../model/Limits.ts"
import type { VirtualTimes } from "./Order.ts"
import * as Rate from "./Rate.ts"

// Records that one sweep looks at. Each start looks at two, so that there are as many only where rates keep them.
const slice = 65_536

export class KeyRecords {
  private readonly keys = new Map<string, Key>()
  /** The tasks without a key. */
  readonly keyless: Key
  private readonly idle = new Ring<Key>()
  private readonly times: VirtualTimes
  private readonly report: (where: string, defect: unknown) => void
  private laws: Limits
  /** What was last said of a key. */
  private last: KeyLaw

  constructor(laws: Limits, times: VirtualTimes, report: (where: string, defect: unknown) => void) {
    this.laws = laws
    this.times = times
    this.report = report
    this.keyless = new Key(undefined)
    this.last = this.keyless.law
  }

  get size(): number {
    return this.keys.size
  }
  values(): Iterable<Key> {
    return this.keys.values()
  }
  peek(name: string | undefined): Key | undefined {
    return name === undefined ? this.keyless : this.keys.get(name)
  }
  get(name: string | undefined): Key {
    if (name === undefined) return this.keyless
    const known = this.keys.get(name)
    if (known !== undefined) return known
    const key = new Key(name)
    this.obey(key, name)
    const { rates } = this.laws.perKey
    if (rates.length > 0) key.meters = rates.map(Rate.make)
    this.keys.set(name, key)
    return key
  }

  /** New laws, for every key at once: nothing that depends on a key stays as it was. */
  follow(laws: Limits, now: number): void {
    const before = this.laws.perKey.rates
    const after = laws.perKey.rates
    this.laws = laws
    for (const [name, key] of this.keys) {
      this.obey(key, name)
      key.meters = after.map((law, index) => {
        const meter = key.meters[index]
        if (meter === undefined) return Rate.make(law)
        return before[index] === law ? meter : meter.follow(law, now)
      })
    }
  }

  private obey(key: Key, name: string): void {
    const { concurrency, ordered, queue, rates, share } = this.laws.perKey
    const cap = ofKey(
      concurrency,
      name,
      { none: Infinity, broken: 1, least: 1 },
      this.report,
      "limits.perKey.concurrency"
    )
    const said = ofKey(
      share,
      name,
      { none: 1, broken: 1, least: Number.MIN_VALUE },
      this.report,
      "limits.perKey.share"
    )
    const given = said === Infinity ? 1 : said
    const free = cap === Infinity && rates.length === 0 && !ordered
    const { last } = this
    // As a rule all keys have the same.
    if (cap !== last.cap || given !== last.share || queue !== last.bound || free !== last.free)
      this.last = { cap, share: given, bound: queue, free }
    key.law = this.last
  }

  /** Nothing of the key waits or runs. */
  rests(key: Key, now: number): void {
    if (key.name === undefined || key.listed) return
    if (this.forgettable(key, now)) this.forget(key, key.name)
    else {
      key.listed = true
      this.idle.push(key)
    }
  }

  private forgettable(key: Key, now: number): boolean {
    return (
      key.waiting === 0 &&
      key.seats === 0 &&
      key.turn === undefined &&
      key.holdUntil <= now &&
      key.hotUntil <= now &&
      key.meters.every((meter) => meter.unused(now)) &&
      key.flows.every((flow) => this.times.settled(flow))
    )
  }
  private forget(key: Key, name: string): void {
    if (this.keys.get(name) === key) this.keys.delete(name)
  }

  /** Looks at records that may be forgotten, at most `most`. Returns how many are left to look at. */
  sweep(now: number, most = slice): number {
    for (let looks = Math.min(most, this.idle.size); looks > 0; looks--) {
      const key = this.idle.shift()
      if (key?.name === undefined) continue
      key.listed = false
      if (key.waiting > 0 || key.seats > 0) continue
      if (this.forgettable(key, now)) this.forget(key, key.name)
      else {
        key.listed = true
        this.idle.push(key)
      }
    }
    return this.idle.size
  }
}
