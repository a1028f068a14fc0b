import { ThreadWorker } from "poolifier"
import { work, type Work } from "./work.ts"

export default new ThreadWorker<Work>((given?: Work) => work(given ?? { megabytes: 0 }))
