/**
 * Runs handlers in this process, for tests: what travels is cloned as it would be on the way to a thread.
 *
 * @since 0.3.0
 */
import { Effect, Exit } from "effect"
import { originOf } from "../task/Origin.ts"
import { encodePayload, exitOf } from "./Reply.ts"
import { Context, type Serving } from "../thread/Serving.ts"
import { InvalidPayload } from "../task/ThreadError.ts"
import type { AnyTask, Caller } from "../task/ThreadTask.ts"
import { packDefect, Status } from "../wire/Wire.ts"

/**
 * A thread that is none. An interrupted task is waited for: there is nothing to terminate.
 *
 * @category constructors
 * @since 0.3.0
 */
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
      payload = structuredClone(encoded, { transfer: [...(transfer ?? [])] as Array<ArrayBuffer> })
    } catch (cause) {
      return fail(Exit.fail(new InvalidPayload({ task: task.name, cause })))
    }
    let aborted = false
    let settled = false
    let ended: (() => void) | undefined
    const context = new Context(workerId, originOf(caller), () => aborted)
    const settle = (status: number, value: unknown) => {
      if (settled) return
      settled = true
      end(answer(task, status, value, context))
      ended?.()
    }
    invoke(payload, context, settle, (abort) => {
      context.onAbort = abort
    })
    return Effect.callback<void>((left) => {
      if (settled) return left(Effect.void)
      aborted = true
      ended = () => left(Effect.void)
      context.abort()
    })
  }
})

const answer = (
  task: AnyTask,
  status: number,
  value: unknown,
  { moved }: Context
): Exit.Exit<unknown, unknown> => {
  if (status === Status.defect) return exitOf(task, status, packDefect(value))
  try {
    return exitOf(
      task,
      status,
      structuredClone(value, { transfer: [...(moved ?? [])] as Array<ArrayBuffer> })
    )
  } catch (error) {
    return exitOf(task, Status.defect, packDefect(error))
  }
}
