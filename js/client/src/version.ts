/** The version of this package. */
export const __version = "0.1.0";
