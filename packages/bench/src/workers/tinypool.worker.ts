import { work, type Work } from "./work.ts"

export default (given: Work): unknown => work(given)
