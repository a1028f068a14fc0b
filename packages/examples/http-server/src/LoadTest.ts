import autocannon from "autocannon"

/** Callers that ask again as soon as they are answered: eight workers and a queue of 128 have room for 136 at a time. */
const callers = 272

export interface Seen {
  readonly answers: number
  readonly errors: number
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

/** Asks for pages with twice as many callers as there is room for. */
export const loadServer = async (url: string, seconds: number): Promise<Seen> => {
  const run = await autocannon({ url: `${url}/render/home`, connections: callers, duration: seconds })
  const { errors, latency, requests, statusCodeStats, timeouts } = run
  const statuses = Object.fromEntries(
    Object.entries(statusCodeStats ?? {}).map(([status, { count = 0 }]) => [status, count])
  )
  return { answers: requests.total, errors: errors + timeouts, statuses, p50: latency.p50, p99: latency.p99 }
}
