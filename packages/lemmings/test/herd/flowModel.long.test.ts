import { rounds } from "@lemmings/suite/rounds"
import { flowModelSuite } from "../support/flowModel.ts"

// In CI these are 100,000 steps.
flowModelSuite(rounds(500, 5_000))
