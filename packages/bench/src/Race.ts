// What a benchmark is: races, in each of which we and our peers do the same work.

/** The figures of one run of one contestant, by the suffix that each adds to the race's name; "" adds none. */
export type Sample = Readonly<Record<string, number>>

export type Contestant = () => Promise<Sample>

export interface Race {
  readonly name: string
  /** The unit of each figure of a sample. */
  readonly units: Readonly<Record<string, string>>
  readonly ours: Contestant
  readonly peers: Readonly<Record<string, Contestant>>
  /** What a reader must know to read the figures right. */
  readonly note?: string
  /** One sentence that says what our figures come to, alone or beside those of the peers that finished. */
  readonly verdict?: (ours: Sample, peers: Readonly<Record<string, Sample>>) => string
  /** Overrides the number of repetitions, for figures that do not vary. */
  readonly repetitions?: number
}

/**
 * How much is measured: what two minutes are enough for, more, or so little that it checks the benchmark and not the
 * libraries.
 */
export type Size = "quick" | "usual" | "long"

export interface Bench {
  readonly name: string
  readonly about: string
  readonly races: (size: Size) => ReadonlyArray<Race>
}

export const caseName = (race: string, suffix: string): string => (suffix === "" ? race : `${race}/${suffix}`)

/** Whether `selector` is the name of a bench, race or case, or a path that leads to `name`. */
export const selects = (selector: string, name: string): boolean =>
  name === selector || name.startsWith(`${selector}/`)
