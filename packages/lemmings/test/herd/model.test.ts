import { modelSuite } from "../support/modelSuite.ts"

modelSuite(4)
