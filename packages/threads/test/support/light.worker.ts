import { serve } from "../../src/thread/worker.ts"
import type { Echo } from "./tasks.ts"

export default serve<[typeof Echo]>({ Echo: (value) => value })
