/** Counts jobs as they begin, and knows the span from the first to the last of `count`. */
export const counter = (count: number) => {
  const seen = new Uint8Array(count)
  let left = count
  let first = Infinity
  let last = 0
  const { promise, reject, resolve } = Promise.withResolvers<number>()
  return {
    /** The span for each job, when the last has begun. */
    spanPerJob: promise,
    fail: reject,
    begun: (n: number, at: number, until: number = at): void => {
      // None has crashed, so none may run twice.
      if (seen[n] !== 0) return reject(new Error(`job ${n} ran twice, or nobody enqueued it`))
      seen[n] = 1
      first = Math.min(first, at)
      last = Math.max(last, until)
      if (--left === 0) resolve((last - first) / count)
    }
  }
}
