import { flowModelSuite } from "../support/flowModel.ts"

flowModelSuite(20)
