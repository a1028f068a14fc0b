/** What a task's answer means to its caller. */
import { Effect, Exit } from "effect"
import type { AnyTask, Call, Codec } from "../task/ThreadTask.ts"
import { Status, unpackDefect } from "../wire/Wire.ts"
import { InvalidPayload } from "../task/ThreadError.ts"

const decoded = (codec: Codec | undefined, value: unknown) =>
  codec === undefined ? value : codec.decode(value)

/** The end of a task whose thread answered. What does not fit its schema is a defect. */
export const exitOf = ({ codecs }: AnyTask, status: number, value: unknown): Exit.Exit<unknown, unknown> => {
  try {
    switch (status) {
      case Status.success:
        return Exit.succeed(decoded(codecs.success, value))
      case Status.failure:
        return Exit.fail(decoded(codecs.error, value))
      case Status.packed:
        return Exit.fail(decoded(codecs.error, unpackDefect(value)))
      case Status.defect:
        return Exit.die(unpackDefect(value))
      default:
        return Exit.interrupt()
    }
  } catch (error) {
    return Exit.die(error)
  }
}

/** The payload as it travels, or why it does not. */
export const encodePayload = ({ payload, task }: Call): unknown => {
  const { payload: codec } = task.codecs
  if (codec === undefined) return payload
  try {
    return codec.encode(payload)
  } catch (cause) {
    return new InvalidPayload({ task: task.name, cause })
  }
}

/** Gives the caller a report as it was. `undefined`: it does not listen. */
export const hearer = ({
  onReport,
  task
}: Call): ((report: unknown) => Effect.Effect<unknown, unknown>) | undefined =>
  onReport && ((report) => Effect.suspend(() => onReport(decoded(task.codecs.report, report))))
