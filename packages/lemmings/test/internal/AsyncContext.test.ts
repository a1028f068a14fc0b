import { assert, describe, it } from "@effect/vitest"
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks"
import * as AsyncContext from "../../src/internal/AsyncContext.ts"

const store = new AsyncLocalStorage<string>()
const seen = () => store.getStore()

/** A process with these modules, which counts the contexts that are kept. */
const processWith = (moduleLoadList?: ReadonlyArray<string>) => {
  let kept = 0
  class Counted extends AsyncResource {
    constructor(type: string, trigger: number) {
      super(type, trigger)
      kept++
    }
  }
  const getBuiltinModule = () => ({ AsyncResource: Counted as never })
  return {
    process: moduleLoadList === undefined ? { getBuiltinModule } : { moduleLoadList, getBuiltinModule },
    kept: () => kept
  }
}

describe("AsyncContext", () => {
  it("calls in the context that was kept, with its arguments, and goes back to the one before", () => {
    const kept = store.run("kept", AsyncContext.here)
    const got = store.run("other", () => [
      AsyncContext.run(kept, (...args: ReadonlyArray<number>) => [seen(), ...args], 1, 2),
      seen()
    ])

    assert.deepStrictEqual(got, [["kept", 1, 2], "other"])
  })

  it("keeps one context for all while nobody has loaded AsyncLocalStorage, and one each from then on", () => {
    const modules = ["NativeModule async_hooks"]
    const { kept, process } = processWith(modules)
    const { here, isUsed, run } = AsyncContext.make(process)
    const before = [here(), here(), here()]

    assert.deepStrictEqual([isUsed(), new Set(before).size, kept()], [false, 1, 1])
    assert.strictEqual(run(before[0], seen), seen())

    modules.push("NativeModule internal/async_local_storage/async_context_frame")
    const after = store.run("after", here)

    assert.deepStrictEqual([isUsed(), kept()], [true, 2])
    store.run("now", () => {
      assert.strictEqual(run(after, seen), "after")
      assert.isUndefined(run(before[0], seen), "nothing was stored when it was kept")
    })
  })

  it("keeps one each where the runtime does not say what it has loaded", () => {
    for (const modules of [undefined, []]) {
      const { kept, process } = processWith(modules)
      const { here, isUsed } = AsyncContext.make(process)
      here()
      here()

      assert.deepStrictEqual([isUsed(), kept()], [true, 2])
    }
  })

  it("keeps nothing where there is no such thing", () => {
    const throwing = () => {
      throw new Error("no such module")
    }
    for (const process of [
      undefined,
      {},
      { getBuiltinModule: () => undefined },
      { getBuiltinModule: throwing }
    ]) {
      const { here, isUsed, run } = AsyncContext.make(process)

      assert.isUndefined(here())
      assert.isFalse(isUsed())
      assert.strictEqual(
        run(undefined, (n: number) => n + 1, 1),
        2
      )
    }
  })
})
