import { rounds } from "@lemmings/suite/rounds"
import { interruptions } from "../support/interruptions.ts"
import { workloads } from "../support/workloads.ts"

interruptions("fixed")

workloads(rounds(300, 10_000))
