import autocannon from "autocannon"

/** Requests a second: eight workers at 60 ms each can do 133. */
export const rate = 270

/** Answers with one status. Times are in milliseconds. */
interface Answers {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly longest: number
}

export interface Seen {
  /** Answers by status. */
  readonly statuses: ReadonlyMap<number, Answers>
  /** Connections that failed and requests that nobody answered. */
  readonly errors: number
}

/** A connection of autocannon sends its requests of a second all at once, so groups of them take turns. */
const groups = 10

/** Asks for pages at twice the rate that the server can do, whether or not the earlier ones are answered. */
export const loadServer = async (url: string, seconds: number): Promise<Seen> => {
  const times = new Map<number, Array<number>>()
  const runs = Array.from({ length: groups }, async (_, n) => {
    await new Promise((resolve) => setTimeout(resolve, (1000 / groups) * n))
    return fire(url, seconds, (status, millis) => {
      const seen = times.get(status)
      if (seen === undefined) times.set(status, [millis])
      else seen.push(millis)
    })
  })
  const results = await Promise.all(runs)
  return {
    statuses: new Map([...times].toSorted(([a], [b]) => a - b).map(([status, all]) => [status, sum(all)])),
    errors: results.reduce((total, { errors, timeouts }) => total + errors + timeouts, 0)
  }
}

const fire = (url: string, seconds: number, onAnswer: (status: number, millis: number) => void) =>
  new Promise<autocannon.Result>((resolve, reject) => {
    const perGroup = rate / groups
    autocannon(
      { url: `${url}/render/home`, connections: perGroup, overallRate: perGroup, duration: seconds },
      (error, result) => (error ? reject(error) : resolve(result))
    ).on("response", (_, status, __, millis) => onAnswer(status, millis))
  })

const sum = (times: ReadonlyArray<number>): Answers => {
  const sorted = times.toSorted((a, b) => a - b)
  const quantile = (q: number) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0
  return { count: sorted.length, p50: quantile(0.5), p99: quantile(0.99), longest: quantile(1) }
}
