import { move } from "piscina"
import { work, type Work } from "./work.ts"

export default (given: Work): unknown => {
  const result = work(given)
  return result instanceof ArrayBuffer ? move(result) : result
}
