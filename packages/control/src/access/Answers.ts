/** How the doorkeeper says no: JSON with a tag, and the headers that every answer has. */
import { Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import * as ControlError from "../model/ControlError.ts"

/** For every answer: none is kept, guessed at, framed, or read by a page of another origin. */
export const safe = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}

const Answer = Schema.Union([
  ControlError.BadRequest,
  ControlError.BodyTooLarge,
  ControlError.Broken,
  ControlError.Forbidden,
  ControlError.MethodNotAllowed,
  ControlError.NotFound,
  ControlError.NotJson,
  ControlError.TooManyGuesses,
  ControlError.TooManyReaders,
  ControlError.Unauthorized
])

export type Answer = typeof Answer.Type

const statuses: { readonly [Tag in Answer["_tag"]]: number } = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  BodyTooLarge: 413,
  NotJson: 415,
  TooManyGuesses: 429,
  Broken: 500,
  TooManyReaders: 503
}

const encode = Schema.encodeSync(Answer)

export const answer = (
  error: Answer,
  status: number = statuses[error._tag]
): HttpServerResponse.HttpServerResponse => {
  const headers: Record<string, string> = { ...safe }
  if (error._tag === "Unauthorized") headers["www-authenticate"] = `Bearer, Basic realm="lemmings"`
  if (error._tag === "MethodNotAllowed") headers["allow"] = error.allow.join(", ")
  if (error._tag === "BodyTooLarge") headers["connection"] = "close"
  if ("retryAfterSeconds" in error) headers["retry-after"] = String(error.retryAfterSeconds)
  return HttpServerResponse.jsonUnsafe(encode(error), { status, headers })
}
