/** The server did not start, or is not there any more. The text says why, where it can with the end of its log. */
export class ServerError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "ServerError";
  }
}

/**
 * What an error says.
 * @param {unknown} error
 */
export const told = error => (error instanceof Error ? error.message : String(error));
