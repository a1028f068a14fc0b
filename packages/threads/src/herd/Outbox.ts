/**
 * What goes to a thread: as many tasks in one message as there are, and each alone where one of them cannot be sent.
 */
import { buffersIn, type Origin, together, type Transfer, width } from "../wire/Wire.ts"
import type { Host } from "./Host.ts"

/** Tasks that have not been posted yet. */
export class Outbox {
  private readonly host: Host
  private readonly refused: (slot: number, cause: unknown) => void
  private batch: Array<unknown>
  // What each of the tasks moves.
  private moved: Array<ReadonlyArray<Transfer> | undefined> = []
  private waiting = false

  /** `refused` hears which task cannot be sent. */
  constructor(host: Host, refused: (slot: number, cause: unknown) => void) {
    this.host = host
    this.refused = refused
    this.batch = [host.tag]
  }

  add(
    slot: number,
    task: number,
    payload: unknown,
    origin: Origin | undefined,
    transfer: ReadonlyArray<Transfer> | undefined
  ): void {
    const buffers = buffersIn(payload)
    if (buffers === undefined) this.batch.push(slot, task, payload, origin)
    else this.batch.push(slot, ~task, [payload, buffers], origin)
    this.moved.push(transfer)
  }

  /** Posts what is there, after what else comes in this turn. */
  soon(): void {
    if (this.waiting) return
    this.waiting = true
    setImmediate(() => this.flush())
  }

  flush(): void {
    const { batch, host, moved } = this
    this.waiting = false
    if (moved.length === 0) return
    this.clear()
    try {
      host.post(batch, together(moved))
    } catch (error) {
      if (moved.length === 1) return this.refused(batch[1] as number, error)
      // One of them cannot be cloned, or moves what another has moved. Each has its own list.
      for (const [i, each] of moved.entries()) {
        const one = batch.slice(1 + i * width, 1 + (i + 1) * width)
        try {
          host.post([host.tag, ...one], each ?? [])
        } catch (cause) {
          this.refused(one[0] as number, cause)
        }
      }
    }
  }

  clear(): void {
    this.batch = [this.host.tag]
    this.moved = []
  }
}
