import { rounds } from "@lemmings/suite/rounds"
import { modelSuite } from "../support/modelSuite.ts"

// In CI these are more than 200,000 steps.
modelSuite(rounds(80, 600))
