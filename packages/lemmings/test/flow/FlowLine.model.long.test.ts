import { rounds } from "@lemmings/suite/rounds"
import { lineModel } from "./lineModel.ts"

lineModel(rounds(250, 2_000))
