/** Counts wrong tokens by the address that showed them. */

/** Addresses that are remembered. */
const most = 1000
const minute = 60_000

interface Guesser {
  wrong: number
  /** When the first of them came. */
  since: number
}

/** What is known of the addresses. Synchronous; times are milliseconds of any clock that does not go back. */
export interface Guesses {
  /** Whole seconds until a token of this address is looked at again. 0: now. */
  readonly wait: (address: string | undefined, now: number) => number
  readonly wrong: (address: string | undefined, now: number) => void
}

/** One machine has as many IPv6 addresses as it likes, but only one network. */
const networkOf = (address: string | undefined): string => {
  if (address === undefined) return "unknown"
  if (!address.includes(":") || address.startsWith("::ffff:")) return address
  const [head = "", tail] = address.split("::")
  const groups = head === "" ? [] : head.split(":")
  const rest = tail === undefined || tail === "" ? [] : tail.split(":")
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - groups.length - rest.length }, () => "0")
  return [...groups, ...zeros, ...rest].slice(0, 4).join(":")
}

export const make = (perMinute: number): Guesses => {
  const guessers = new Map<string, Guesser>()
  const current = (network: string, now: number): Guesser | undefined => {
    const found = guessers.get(network)
    if (found === undefined || now - found.since < minute) return found
    guessers.delete(network)
    return undefined
  }
  return {
    wait: (address, now) => {
      const found = current(networkOf(address), now)
      return found === undefined || found.wrong < perMinute
        ? 0
        : Math.max(1, Math.ceil((found.since + minute - now) / 1000))
    },
    wrong: (address, now) => {
      const network = networkOf(address)
      const found = current(network, now)
      if (found !== undefined) {
        found.wrong++
        return
      }
      const [oldest] = guessers.keys()
      if (guessers.size >= most && oldest !== undefined) guessers.delete(oldest)
      guessers.set(network, { wrong: 1, since: now })
    }
  }
}
