/** Things by name, of which several may want the same: `app/Db`, then `app/Db#2`. */
export interface Named<T> {
  /** In the order in which they came. */
  readonly all: () => ReadonlyMap<string, T>
  /** Adds one, and returns how to take it out again. */
  readonly add: (one: T) => () => void
}

export const make = <T extends { readonly id: string }>(): Named<T> => {
  const named = new Map<string, T>()
  const free = (id: string): string => {
    if (!named.has(id)) return id
    let number = 2
    while (named.has(`${id}#${number}`)) number++
    return `${id}#${number}`
  }
  return {
    all: () => named,
    add: (one) => {
      const name = free(one.id)
      named.set(name, one)
      return () => named.delete(name)
    }
  }
}
