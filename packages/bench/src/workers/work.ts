// What the threads of every library do in the benchmark of threads.
import { createHash } from "node:crypto"

export interface Work {
  /** Megabytes to hash. 0: give back the payload. */
  readonly megabytes: number
  readonly payload?: unknown
}

const megabyte = Buffer.alloc(1 << 20, 7)

export const work = ({ megabytes, payload }: Work): unknown => {
  if (megabytes === 0) return payload
  const hash = createHash("sha256")
  for (let left = megabytes; left > 0; left--)
    hash.update(left < 1 ? megabyte.subarray(0, left * megabyte.length) : megabyte)
  return hash.digest("hex")
}
