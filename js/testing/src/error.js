/** The server did not start, or is not there any more. The text has the end of its log. */
export class ServerError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "ServerError";
  }
}
