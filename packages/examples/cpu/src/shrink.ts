// The work: how small a file gets, and what it is.
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { brotliCompressSync, constants } from "node:zlib"

export interface Shrunk {
  readonly bytes: number
  readonly compressed: number
  readonly sha256: string
}

export const shrink = (path: string): Shrunk => {
  const content = readFileSync(path)
  return {
    bytes: content.length,
    compressed: brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }).length,
    sha256: createHash("sha256").update(content).digest("hex")
  }
}
