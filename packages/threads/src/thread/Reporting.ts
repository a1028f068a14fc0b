/** What a running task tells its caller: no more at one time than the caller takes. */
import { reportsAhead, Shared } from "../wire/Wire.ts"

// Reports that a process keeps, at most, for a handler that does not wait.
const mostKept = 1024

interface Kept {
  readonly value: unknown
  readonly sent: () => void
  readonly failed: (error: unknown) => void
}

/** The reports of one task. On a thread the number of those taken is shared; a process is told of each. */
export class Reporting {
  private readonly states: Int32Array<SharedArrayBuffer>
  private readonly at: number
  private readonly owned: boolean
  private readonly isAborted: () => boolean
  private readonly post: (value: unknown) => void
  private readonly kept: Array<Kept> = []
  private sent = 0
  private closed = false
  private listening = false

  constructor(
    states: Int32Array<SharedArrayBuffer>,
    slot: number,
    owned: boolean,
    isAborted: () => boolean,
    post: (value: unknown) => void
  ) {
    this.states = states
    this.at = Shared.taken + slot
    this.owned = owned
    this.isAborted = isAborted
    this.post = post
    if (owned) Atomics.store(states, this.at, 0)
  }

  private get hasRoom(): boolean {
    return this.sent - Atomics.load(this.states, this.at) < reportsAhead
  }
  private get over(): boolean {
    return this.closed || this.isAborted()
  }

  /** `blocking`: its handler is on the stack, and does not let anybody else have a turn. */
  report(value: unknown, blocking: boolean): Promise<void> {
    if (blocking && !this.owned) this.wait()
    if (this.over) return Promise.resolve()
    if (this.kept.length === 0 && this.hasRoom) {
      this.send(value)
      return Promise.resolve()
    }
    if (this.kept.length >= mostKept)
      throw new RangeError(`${mostKept} reports wait for the caller: wait for each (\`await report(value)\`)`)
    return new Promise((sent, failed) => {
      this.kept.push({ value, sent, failed })
      this.listen()
    })
  }

  /** The herd has done with one. */
  taken(): void {
    if (this.owned) Atomics.add(this.states, this.at, 1)
    this.pump()
  }
  /** Nothing is reported any more, and nobody is left waiting. */
  close(): void {
    this.closed = true
    for (const { sent } of this.kept.splice(0)) sent()
  }

  private send(value: unknown): void {
    this.post(value)
    this.sent++
  }

  private wait(): void {
    while (!this.over && this.kept.length === 0) {
      const seen = Atomics.load(this.states, this.at)
      if (this.sent - seen < reportsAhead) return
      Atomics.wait(this.states, this.at, seen)
    }
  }

  private pump(): void {
    if (this.over) return this.close()
    while (this.kept.length > 0 && this.hasRoom) {
      const { failed, sent, value } = this.kept.shift() as Kept
      try {
        this.send(value)
        sent()
      } catch (error) {
        failed(error)
      }
    }
    this.listen()
  }

  private listen(): void {
    if (this.owned || this.listening || this.kept.length === 0) return
    const seen = Atomics.load(this.states, this.at)
    if (this.sent - seen < reportsAhead) return this.pump()
    const change = Atomics.waitAsync(this.states, this.at, seen)
    const changed = () => {
      this.listening = false
      this.pump()
    }
    this.listening = true
    if (change.async) void change.value.then(changed)
    else changed()
  }
}
