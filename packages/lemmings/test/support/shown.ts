// Calls whose inferred types `test/herd/shown.test.ts` looks at, as an editor shows them.
import { Effect } from "effect"
import { Herd, Lemmings, ResourcePool } from "../../src/index.ts"

export class Plain extends Herd.Service<Plain>()("app/Plain") {}
export class Rejecting extends Herd.Service<Rejecting>()("app/Rejecting", { overflow: "reject" }) {}
export class Dropping extends Herd.Service<Dropping>()("app/Dropping", { overflow: "dropOldest" }) {}
export class Limited extends Herd.Service<Limited>()("app/Limited", {
  overflow: "reject",
  sheds: true,
  limits: "reject"
}) {}
export class Db extends ResourcePool.Service<Db, number>()("app/Db") {}

const one = Effect.succeed(1)
const own = Effect.fail("own" as const)
const limits = { timeout: "1 second", deadline: "1 minute" } as const

export const lemmings = Lemmings.run(one)
export const plain = Plain.run(one)
export const rejecting = Rejecting.run(one)
export const rejectingOwn = Rejecting.run(own)
export const rejectingLimits = Rejecting.run(one, limits)
export const dropping = Dropping.run(one)
export const limited = Limited.run(one)
export const submitted = Rejecting.submit(one)
export const offered = Rejecting.offer(one)
export const now = Rejecting.runNow(one)
export const all = Rejecting.runAll([one, one])
export const record = Rejecting.runAll({ one, own })
export const settled = Rejecting.runAll([one], { mode: "settle" })
export const used = Db.use(() => one)
export const usedOwn = Db.use(() => own)
export const acquired = Db.acquire()
export const program = Effect.gen(function* () {
  const herd = yield* Rejecting
  yield* herd.resize(2)
  return yield* herd.run(one)
})
