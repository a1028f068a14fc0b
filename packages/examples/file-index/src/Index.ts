/**
 * The database: one row per file, one per problem, and the questions that the closing report asks.
 *
 * Node's SQLite is synchronous, and no transaction here is left open across a yield, so the connections of
 * one process never wait for each other's locks.
 */
import { Clock, Context, DateTime, Effect, Layer, Schema } from "effect"
import type { Scope } from "effect"
import { DatabaseSync } from "node:sqlite"
import type { FileProblem, FileRow } from "./Scan.ts"

const Duplicates = Schema.Struct({
  hash: Schema.String,
  copies: Schema.Int,
  bytes: Schema.Int,
  /** Bytes that removing all copies but one would free. Hard links to one file cost nothing. */
  wasted: Schema.Int,
  example: Schema.String
})

const Kind = Schema.Struct({ kind: Schema.String, files: Schema.Int, bytes: Schema.Int, lines: Schema.Int })

const Problem = Schema.Struct({ path: Schema.String, reason: Schema.String, message: Schema.String })

const Totals = Schema.Struct({ files: Schema.Int, bytes: Schema.Int, lines: Schema.Int })

const Waste = Schema.Struct({ groups: Schema.Int, wasted: Schema.Int })

/** What a finished index holds. Lists are cut at ten rows; the counts are not. */
export interface Summary {
  readonly totals: typeof Totals.Type
  readonly kinds: ReadonlyArray<typeof Kind.Type>
  readonly duplicates: typeof Waste.Type & { readonly top: ReadonlyArray<typeof Duplicates.Type> }
  readonly problems: { readonly count: number; readonly first: ReadonlyArray<typeof Problem.Type> }
}

/** The database refused to open, to write or to answer. */
export class IndexFailed extends Schema.TaggedError<IndexFailed>()("IndexFailed", {
  file: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `Database ${this.file}: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/** The file exists and holds something else. Nothing was changed. */
export class NotAnIndex extends Schema.TaggedError<NotAnIndex>()("NotAnIndex", { file: Schema.String }) {
  override get message() {
    return `${this.file} exists and is not a file index. Choose another --db.`
  }
}

/** A connection that one worker owns. Rows wait in it until `flush`, or until there are enough of them. */
export interface Writer {
  readonly add: (row: FileRow) => Effect.Effect<void, IndexFailed>
  readonly flush: Effect.Effect<void, IndexFailed>
}

/** The database of one run. Making its layer empties what an earlier run left. */
export class FileIndex extends Context.Service<
  FileIndex,
  {
    readonly file: string
    /** Opens a connection, closed with the scope. Call `flush` before that. */
    readonly openWriter: Effect.Effect<Writer, IndexFailed, Scope.Scope>
    readonly addProblem: (problem: FileProblem) => Effect.Effect<void, IndexFailed>
    /** Notes how the run ended. `complete`: every file under the root was looked at. */
    readonly finish: (options: { readonly complete: boolean }) => Effect.Effect<void, IndexFailed>
    readonly summary: Effect.Effect<Summary, IndexFailed>
  }
>()("file-index/FileIndex") {
  static readonly layer = (options: {
    readonly file: string
    readonly root: string
  }): Layer.Layer<FileIndex, IndexFailed | NotAnIndex> => Layer.effect(FileIndex, make(options))
}

/** Marks a SQLite file as ours: "LMFI". */
const applicationId = 0x4c4d4649

const schema = `
  drop view if exists duplicates;
  drop table if exists files;
  drop table if exists problems;
  drop table if exists run;
  create table files (
    path text primary key, hash text not null, bytes integer not null, lines integer, kind text not null,
    inode text not null
  ) without rowid;
  create table problems (path text primary key, reason text not null, message text not null) without rowid;
  create table run (root text not null, started text not null, ended text, complete integer not null);
  create view duplicates as
    select hash, count(*) as copies, bytes, (count(distinct inode) - 1) * bytes as wasted, min(path) as example
    from files where bytes > 0 group by hash having count(*) > 1;
  pragma application_id = ${applicationId};
`

/** Few enough to lose little when the machine stops, enough to make the commit cheap. */
const batchSize = 200

const make = Effect.fnUntraced(function* ({ file, root }: { readonly file: string; readonly root: string }) {
  const attempt = <A>(f: () => A) =>
    Effect.try({ try: f, catch: (cause) => new IndexFailed({ file, cause }) })

  const open = Effect.acquireRelease(
    attempt(() => {
      const database = new DatabaseSync(file, { timeout: 5_000 })
      database.exec("pragma journal_mode = wal; pragma synchronous = normal")
      return database
    }),
    (database) => Effect.sync(() => database.close())
  )

  yield* refuseStrangers(file)
  const database = yield* open
  const started = yield* DateTime.now
  const addProblem = yield* attempt(() => {
    inTransaction(database, () => {
      database.exec(schema)
      database
        .prepare("insert into run (root, started, complete) values (?, ?, 0)")
        .run(root, DateTime.formatIso(started))
    })
    return database.prepare("insert or replace into problems (path, reason, message) values (?, ?, ?)")
  })

  return FileIndex.of({
    file,
    openWriter: Effect.gen(function* () {
      const own = yield* open
      const insert = yield* attempt(() =>
        own.prepare(
          "insert or replace into files (path, hash, bytes, lines, kind, inode) values (?, ?, ?, ?, ?, ?)"
        )
      )
      let rows: Array<FileRow> = []
      const flush = attempt(() => {
        if (rows.length === 0) return
        inTransaction(own, () => {
          for (const { bytes, hash, inode, kind, lines, path } of rows) {
            insert.run(path, hash, bytes, lines, kind, inode)
          }
        })
        // Only now: rows whose transaction failed stay, and go with the next one.
        rows = []
      })
      return {
        add: (row) =>
          Effect.suspend(() => {
            rows.push(row)
            return rows.length < batchSize ? Effect.void : flush
          }),
        flush
      }
    }),
    addProblem: (problem) => attempt(() => addProblem.run(problem.path, problem._tag, problem.message)),
    finish: Effect.fnUntraced(function* ({ complete }) {
      const now = yield* Clock.currentTimeMillis
      yield* attempt(() => {
        database.exec("create index if not exists files_by_hash on files (hash, bytes)")
        database
          .prepare("update run set ended = ?, complete = ?")
          .run(new Date(now).toISOString(), complete ? 1 : 0)
      })
    }),
    summary: attempt(() => summarize(database))
  })
})

/** Fails unless the file is missing, empty, or an index of ours: emptying anything else would destroy data. */
const refuseStrangers = (file: string) =>
  Effect.suspend((): Effect.Effect<void, IndexFailed | NotAnIndex> => {
    let database: DatabaseSync | undefined
    try {
      database = new DatabaseSync(file)
      const id = database.prepare("pragma application_id").get()?.["application_id"]
      const tables = database.prepare("select count(*) as count from sqlite_schema").get()?.["count"]
      return id === applicationId || tables === 0 ? Effect.void : new NotAnIndex({ file })
    } catch (cause) {
      const notADatabase = cause instanceof Error && cause.message.includes("not a database")
      return notADatabase ? new NotAnIndex({ file }) : new IndexFailed({ file, cause })
    } finally {
      database?.close()
    }
  })

const inTransaction = (database: DatabaseSync, body: () => void): void => {
  database.exec("begin immediate")
  try {
    body()
    database.exec("commit")
  } catch (cause) {
    // A full disk has SQLite roll back by itself, and a second rollback would hide the reason.
    if (database.isTransaction) database.exec("rollback")
    throw cause
  }
}

const summarize = (database: DatabaseSync): Summary => {
  const all = <S extends Schema.Top & { readonly DecodingServices: never }>(row: S, sql: string) =>
    Schema.decodeUnknownSync(Schema.Array(row))(database.prepare(sql).all())
  const one = <S extends Schema.Top & { readonly DecodingServices: never }>(row: S, sql: string) =>
    Schema.decodeUnknownSync(row)(database.prepare(sql).get())
  return {
    totals: one(
      Totals,
      `select count(*) as files, coalesce(sum(bytes), 0) as bytes, coalesce(sum(lines), 0) as lines from files`
    ),
    kinds: all(
      Kind,
      `select kind, count(*) as files, sum(bytes) as bytes, coalesce(sum(lines), 0) as lines
       from files group by kind order by files desc, kind limit 10`
    ),
    duplicates: {
      ...one(Waste, "select count(*) as groups, coalesce(sum(wasted), 0) as wasted from duplicates"),
      top: all(Duplicates, "select * from duplicates order by wasted desc, bytes desc, example limit 10")
    },
    problems: {
      count: one(Schema.Struct({ count: Schema.Int }), "select count(*) as count from problems").count,
      first: all(Problem, "select path, reason, message from problems order by path limit 10")
    }
  }
}
