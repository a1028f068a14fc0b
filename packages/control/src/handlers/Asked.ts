/** What calls have in common: the herd that they name, and what was wrong with what they said. */
import { Effect } from "effect"
import type { InvalidConfig } from "lemmings/HerdError"
import { HerdRegistry, type ManagedHerd } from "lemmings/HerdRegistry"
import { BadRequest, UnknownHerd } from "../model/ControlError.ts"

export const invalid = ({ field, message, rule, value }: InvalidConfig): BadRequest =>
  new BadRequest({ field, value, rule, message: `${message}. Nothing was changed.` })

/** The registered herds, by name. */
export const find = (id: string): Effect.Effect<ManagedHerd, UnknownHerd> =>
  Effect.flatMap(HerdRegistry, ({ herds }) => {
    const herd = herds().get(id)
    if (herd !== undefined) return Effect.succeed(herd)
    const known = [...herds().keys()]
    const message = `No herd has the id "${id}". GET /herds lists them; a slash in an id is written %2F.`
    return Effect.fail(new UnknownHerd({ herd: id, known, message }))
  })
