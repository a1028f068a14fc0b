/**
 * A line before the database: so many operations go on at a time, so that others always find a connection.
 */

export interface Line {
  /**
   * Runs when it is its turn, and has its place until the promise is settled, whoever still waits for that. One whose signal is
   * aborted before leaves the line and rejects.
   */
  readonly through: <A>(f: () => Promise<A>, signal: AbortSignal) => Promise<A>
}

export const make = (room: number): Line => {
  let free = room
  const waiting = new Set<() => void>()
  const enter = (signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      if (free > 0) {
        free--
        resolve()
        return
      }
      const left = () => {
        waiting.delete(next)
        reject(signal.reason)
      }
      const next = () => {
        signal.removeEventListener("abort", left)
        resolve()
      }
      waiting.add(next)
      signal.addEventListener("abort", left, { once: true })
    })
  const leave = () => {
    const [next] = waiting
    if (next === undefined) {
      free++
      return
    }
    waiting.delete(next)
    next()
  }
  return {
    through: async (f, signal) => {
      signal.throwIfAborted()
      await enter(signal)
      try {
        return await f()
      } finally {
        leave()
      }
    }
  }
}
