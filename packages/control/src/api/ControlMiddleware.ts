/** What every call of the API has in common. */
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import {
  BadRequest,
  BodyTooLarge,
  Forbidden,
  NotJson,
  TooManyGuesses,
  Unauthorized
} from "../model/ControlError.ts"

/**
 * What guards every route but liveness. The routes themselves ask for the token; this says so to clients and documents.
 */
export class Guarded extends HttpApiMiddleware.Service<Guarded>()("lemmings/control/Guarded", {
  error: [Unauthorized, Forbidden, BodyTooLarge, NotJson, TooManyGuesses],
  security: { token: HttpApiSecurity.bearer }
}) {}

/** Says which part of a request could not be understood. */
export class Understood extends HttpApiMiddleware.Service<Understood>()("lemmings/control/Understood", {
  error: BadRequest
}) {}
