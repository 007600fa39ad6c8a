/** What the console uses of hls.js. */

export interface Fault {
  fatal: boolean;
  type: string;
  details: string;
  reason?: string;
  error?: Error;
  response?: { code: number };
}

export default class Hls {
  static isSupported(): boolean;
  static readonly Events: { readonly ERROR: "hlsError" };
  static readonly ErrorTypes: { readonly MEDIA_ERROR: string };
  constructor(settings: { enableWorker: boolean; startPosition: number });
  on(event: "hlsError", listener: (event: string, fault: Fault) => void): void;
  loadSource(url: string): void;
  attachMedia(element: HTMLMediaElement): void;
  recoverMediaError(): void;
  destroy(): void;
}
