/**
 * How the control API says no: every error is JSON with a tag, a message that says what to do, and where it applies the
 * field and its rule.
 *
 * @since 0.3.0
 */
import { Schema } from "effect"
import { HerdState } from "lemmings/HerdError"

/**
 * The request is not understood. Nothing was changed.
 *
 * @category errors
 * @since 0.3.0
 */
export class BadRequest extends Schema.TaggedError<BadRequest>("lemmings/control/BadRequest")(
  "BadRequest",
  {
    /** Where the mistake is: `target`, `bounds.min`, `limit`; `body` for the whole of it. */
    field: Schema.String,
    value: Schema.optionalKey(Schema.Unknown),
    /** What the value must be. */
    rule: Schema.String,
    message: Schema.String
  },
  { httpApiStatus: 400 }
) {}

/**
 * A token is asked for, and it was not given or is another.
 *
 * @category errors
 * @since 0.3.0
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>("lemmings/control/Unauthorized")(
  "Unauthorized",
  { message: Schema.String },
  { httpApiStatus: 401 }
) {}

/**
 * Too many wrong tokens came from this address. None is looked at until `retryAfterSeconds` have passed.
 *
 * @category errors
 * @since 0.5.0
 */
export class TooManyGuesses extends Schema.TaggedError<TooManyGuesses>("lemmings/control/TooManyGuesses")(
  "TooManyGuesses",
  { retryAfterSeconds: Schema.Int, message: Schema.String },
  { httpApiStatus: 429 }
) {}

/**
 * As many streams of events and frames are open as may be. The `maxReaders` option sets how many.
 *
 * @category errors
 * @since 0.5.0
 */
export class TooManyReaders extends Schema.TaggedError<TooManyReaders>("lemmings/control/TooManyReaders")(
  "TooManyReaders",
  { limit: Schema.Int, retryAfterSeconds: Schema.Int, message: Schema.String },
  { httpApiStatus: 503 }
) {}

/**
 * The request could not be answered, and the log of the process says why.
 *
 * @category errors
 * @since 0.5.0
 */
export class Broken extends Schema.TaggedError<Broken>("lemmings/control/Broken")(
  "Broken",
  { message: Schema.String },
  { httpApiStatus: 500 }
) {}

/**
 * The request may not be made: the API is read-only, the token may only read, or the request came by way of a stranger.
 *
 * @category errors
 * @since 0.3.0
 */
export class Forbidden extends Schema.TaggedError<Forbidden>("lemmings/control/Forbidden")(
  "Forbidden",
  { reason: Schema.Literals(["readOnly", "role", "host", "origin", "address"]), message: Schema.String },
  { httpApiStatus: 403 }
) {}

/**
 * No herd has this id.
 *
 * @category errors
 * @since 0.3.0
 */
export class UnknownHerd extends Schema.TaggedError<UnknownHerd>("lemmings/control/UnknownHerd")(
  "UnknownHerd",
  { herd: Schema.String, known: Schema.Array(Schema.String), message: Schema.String },
  { httpApiStatus: 404 }
) {}

/**
 * The herd has no task with this id that has not ended.
 *
 * @category errors
 * @since 0.3.0
 */
export class UnknownTask extends Schema.TaggedError<UnknownTask>("lemmings/control/UnknownTask")(
  "UnknownTask",
  { herd: Schema.String, task: Schema.String, message: Schema.String },
  { httpApiStatus: 404 }
) {}

/**
 * The key is not on hold.
 *
 * @category errors
 * @since 0.5.0
 */
export class UnknownKey extends Schema.TaggedError<UnknownKey>("lemmings/control/UnknownKey")(
  "UnknownKey",
  { herd: Schema.String, key: Schema.String, message: Schema.String },
  { httpApiStatus: 404 }
) {}

/**
 * The herd is interrupting or closed, and takes no more orders.
 *
 * @category errors
 * @since 0.3.0
 */
export class Closed extends Schema.TaggedError<Closed>("lemmings/control/Closed")(
  "Closed",
  { herd: Schema.String, state: HerdState, message: Schema.String },
  { httpApiStatus: 409 }
) {}

/**
 * Nothing is at this path.
 *
 * @category errors
 * @since 0.3.0
 */
export class NotFound extends Schema.TaggedError<NotFound>("lemmings/control/NotFound")(
  "NotFound",
  { path: Schema.String, message: Schema.String },
  { httpApiStatus: 404 }
) {}

/**
 * The path is there, for other methods.
 *
 * @category errors
 * @since 0.3.0
 */
export class MethodNotAllowed extends Schema.TaggedError<MethodNotAllowed>(
  "lemmings/control/MethodNotAllowed"
)(
  "MethodNotAllowed",
  { method: Schema.String, allow: Schema.Array(Schema.String), message: Schema.String },
  { httpApiStatus: 405 }
) {}

/**
 * The body is longer than the limit. Nothing was changed.
 *
 * @category errors
 * @since 0.3.0
 */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>("lemmings/control/BodyTooLarge")(
  "BodyTooLarge",
  { limitBytes: Schema.Int, message: Schema.String },
  { httpApiStatus: 413 }
) {}

/**
 * The body is not JSON by its content type. Nothing was changed.
 *
 * @category errors
 * @since 0.3.0
 */
export class NotJson extends Schema.TaggedError<NotJson>("lemmings/control/NotJson")(
  "NotJson",
  { contentType: Schema.String, message: Schema.String },
  { httpApiStatus: 415 }
) {}

/**
 * No queue has this name.
 *
 * @category errors
 * @since 0.4.0
 */
export class UnknownQueue extends Schema.TaggedError<UnknownQueue>("lemmings/control/UnknownQueue")(
  "UnknownQueue",
  { queue: Schema.String, known: Schema.Array(Schema.String), message: Schema.String },
  { httpApiStatus: 404 }
) {}

/**
 * The queue has no job, or no dead letter, with this id, or it has ended.
 *
 * @category errors
 * @since 0.4.0
 */
export class UnknownJob extends Schema.TaggedError<UnknownJob>("lemmings/control/UnknownJob")(
  "UnknownJob",
  { queue: Schema.String, job: Schema.String, message: Schema.String },
  { httpApiStatus: 404 }
) {}

/**
 * The store of the queue cannot be reached, or did not answer in time.
 *
 * @category errors
 * @since 0.4.0
 */
export class QueueAway extends Schema.TaggedError<QueueAway>("lemmings/control/QueueAway")(
  "QueueAway",
  { queue: Schema.String, message: Schema.String },
  { httpApiStatus: 503 }
) {}
