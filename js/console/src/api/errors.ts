/** Why a call to the server failed. */

/** There is no session, or the server does not take its key or signature; the message is for the sign-in form. */
export class SignInNeeded extends Error {}

/** The server does not respond. */
export class ServerAway extends Error {
  constructor() {
    super("The server does not answer.");
  }
}

/** The server refuses the call; the message is the server's. */
export class Refused extends Error {
  constructor(
    message: string,
    /** The API's name of the error, such as `ValidationException`; empty if there is none. */
    readonly code: string,
    readonly status: number,
  ) {
    super(message);
  }
}
