/**
 * What has to be told, kept until the step that makes it true has ended: whoever is told may act on what it sees, and
 * must see a whole state.
 *
 * **Details**
 *
 * Told in the order in which it happened. What happens while something is told is told afterwards, by the same loop,
 * so that news that make news need no stack. After a few thousand the loop goes on in a later turn.
 */
import { Ring } from "./Ring.ts"

// Told in one go.
const most = 4096

/** News in order, for one listener that must not throw. */
export class Outbox<A> {
  private readonly kept = new Ring<A | (() => void)>()
  private readonly tell: (news: A) => void
  private readonly later: (f: () => void) => void
  private held = 0
  private telling = false
  private scheduled = false

  constructor(tell: (news: A) => void, later: (f: () => void) => void) {
    this.tell = tell
    this.later = later
  }

  /** A step begins: nothing is told until as many `release` have followed. */
  hold(): void {
    this.held++
  }
  get holding(): boolean {
    return this.held > 0
  }
  release(): void {
    this.held--
    if (this.kept.size > 0) this.flush()
  }

  /** Keeps it until the next thing is told, or `flush`. */
  keep(news: A): void {
    this.kept.push(news)
  }
  /** Tells it now, unless a step goes on or something is being told. */
  add(news: A): void {
    if (this.held > 0 || this.telling || this.kept.size > 0) {
      this.kept.push(news)
      this.flush()
      return
    }
    this.telling = true
    this.tell(news)
    this.telling = false
    if (this.kept.size > 0) this.flush()
  }
  /** Calls `f`, which must not throw, when everything before it has been told. */
  after(f: () => void): void {
    if (this.held === 0 && !this.telling && this.kept.size === 0) return f()
    this.kept.push(f)
    this.flush()
  }

  flush(limit: number = most): void {
    if (this.kept.size > 0 && !this.telling && this.held === 0) this.tellKept(limit)
  }
  private tellKept(limit: number): void {
    this.telling = true
    for (let told = 0; told < limit; told++) {
      const next = this.kept.shift()
      if (next === undefined) break
      if (typeof next === "function") (next as () => void)()
      else this.tell(next)
    }
    this.telling = false
    if (this.kept.size === 0 || this.scheduled) return
    this.scheduled = true
    this.later(() => {
      this.scheduled = false
      this.flush()
    })
  }
}
