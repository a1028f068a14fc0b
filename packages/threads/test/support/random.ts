/** Numbers from 0 to 1 that are the same for the same seed. */
const random = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return state / 4_294_967_296
  }
}

const strange: ReadonlyArray<unknown> = [0, 1, 2, 3, 5, 6, 7, 127, 128, -1, -7, 0.5, 2 ** 40, 9n].concat(
  ["length", "__proto__", "constructor", "push", "", "ready"] as never,
  [null, undefined, true, Number.NaN, Infinity] as never
)

/** What a library may send by a channel that it shares with us, and what looks like ours. */
export const randomValues = (seed: number, count: number, tag = 0): ReadonlyArray<unknown> => {
  const next = random(seed)
  const pick = <A>(from: ReadonlyArray<A>): A => from[Math.floor(next() * from.length)] as A
  const small = (): unknown => pick(strange.concat(tag))
  const value = (depth: number): unknown => {
    const dice = next()
    if (depth === 0 || dice < 0.4) return small()
    if (dice < 0.7) return Array.from({ length: Math.floor(next() * 8) }, () => value(depth - 1))
    return Object.fromEntries(
      ["ready", "dying", "cause", "served", "missing", "nodes", "message"].flatMap((key) =>
        next() < 0.4 ? [[key, value(depth - 1)]] : []
      )
    )
  }
  return Array.from({ length: count }, () => {
    if (next() < 0.5) return value(3)
    // The shape of an answer.
    return [pick([tag, small()]), ...Array.from({ length: 4 * Math.ceil(next() * 2) }, () => value(2))]
  })
}
