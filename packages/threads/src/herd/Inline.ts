/** Runs handlers in this process, for tests: what travels is cloned as it would be on the way to a thread. */
import { Effect, Exit } from "effect"
import { originOf } from "../task/Origin.ts"
import { encodePayload, exitOf, hearer } from "./Reply.ts"
import { Reports } from "./Reports.ts"
import { Context, holdsError, type Serving } from "../thread/Serving.ts"
import { InvalidPayload } from "../task/ThreadError.ts"
import type { AnyTask, Caller } from "../task/ThreadTask.ts"
import { buffersIn, packDefect, Status, type Transfer, withBuffers } from "../wire/Wire.ts"

/** A thread that is none. An interrupted task is waited for: there is nothing to terminate. */
export const make = ({ handlers }: Serving, workerId: number): Caller => ({
  start: (call, caller, end) => {
    const { task, transfer } = call
    const fail = (exit: Exit.Exit<unknown, unknown>) => {
      end(exit)
      return Effect.void
    }
    const invoke = handlers[task.name]
    if (invoke === undefined) return fail(Exit.die(new Error(`no handler for task ${task.name}`)))
    const encoded = encodePayload(call)
    if (encoded instanceof InvalidPayload) return fail(Exit.fail(encoded))
    let payload: unknown
    try {
      payload = clone(encoded, transfer)
    } catch (cause) {
      return fail(Exit.fail(new InvalidPayload({ task: task.name, cause })))
    }
    let aborted = false
    let settled = false
    let ended: (() => void) | undefined
    // Each goes on when its caller has heard it.
    const waiting: Array<() => void> = []
    const hear = hearer(call)
    const stop = () => {
      aborted = true
      for (const go of waiting.splice(0)) go()
      context.abort()
    }
    const reports = hear && new Reports(hear, caller, () => waiting.shift()?.(), stop)
    const report = (value: unknown) => {
      if (settled || aborted || reports === undefined) return Promise.resolve()
      const said = clone(value, undefined)
      return new Promise<void>((go) => {
        waiting.push(go)
        reports.add(said)
      })
    }
    const context: Context = new Context(workerId, originOf(caller), () => aborted, report)
    const settle = (status: number, value: unknown) => {
      if (settled) return
      settled = true
      const heard = () => {
        end(
          reports?.failed === undefined
            ? answer(task, status, value, context)
            : Exit.failCause(reports.failed)
        )
        ended?.()
      }
      if (reports === undefined || aborted) heard()
      else reports.whenHeard(heard)
    }
    invoke(payload, context, settle, (abort) => {
      context.onAbort = abort
    })
    return Effect.callback<void>((left) => {
      if (settled) return left(reports?.close ?? Effect.void)
      ended = () => left(reports?.close ?? Effect.void)
      stop()
      return undefined
    })
  }
})

/** As on the way to a thread. */
const clone = (value: unknown, transfer: ReadonlyArray<Transfer> | undefined): unknown => {
  const buffers = buffersIn(value)
  const made: unknown = structuredClone(value, { transfer: [...(transfer ?? [])] as Array<ArrayBuffer> })
  return withBuffers(made, buffers)
}

const answer = (
  task: AnyTask,
  status: number,
  value: unknown,
  { moved }: Context
): Exit.Exit<unknown, unknown> => {
  if (status === Status.defect) return exitOf(task, status, packDefect(value))
  if (status === Status.failure && holdsError(value)) return exitOf(task, Status.packed, packDefect(value))
  try {
    return exitOf(task, status, clone(value, moved))
  } catch (error) {
    return exitOf(task, Status.defect, packDefect(error))
  }
}
