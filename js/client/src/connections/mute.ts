/**
 * What a session mutes. A track belongs to the caller and may be sent by several sessions, so each track has one account: it is
 * `enabled` only if no session mutes it, and as it was before when no session needs it any more.
 */

/** Of one track. */
export interface Account {
  /** Before any session changed it. */
  wasEnabled: boolean;
  /** Those that muted or unmuted it. */
  users: Set<Mutes>;
  muting: Set<Mutes>;
}

const accounts: WeakMap<MediaStreamTrack, Account> = new WeakMap();

/** The mutes of one session. */
export class Mutes {
  #isMuted: { audio?: boolean; video?: boolean } = {};
  /** The tracks that it muted or unmuted. */
  #tracks: Set<MediaStreamTrack> = new Set();

  /**
   * Mutes or unmutes tracks of a kind, and those that {@link Mutes.apply} is given later.
   * @param tracks Others of them are left alone.
   */
  set(kind: "audio" | "video", isMuted: boolean, tracks: Iterable<MediaStreamTrack>) {
    this.#isMuted[kind] = isMuted;
    for (const track of new Set([...this.#tracks, ...tracks])) {
      if (track.kind === kind) this.#hold(track, isMuted);
    }
  }

  /** Mutes tracks that are sent from here on. Those that are not muted stay as the caller has them. */
  apply(tracks: Iterable<MediaStreamTrack>) {
    for (const track of tracks) {
      if (this.#isMuted[track.kind as "audio" | "video"]) this.#hold(track, true);
    }
  }

  /** The payload of PUBLISH_CONFIGURE; `undefined` if nothing was muted or unmuted. */
  get told() {
    const { audio, video } = this.#isMuted;
    if (audio === undefined && video === undefined) return undefined;
    return {
      ...(audio !== undefined && { audioMuted: audio }),
      ...(video !== undefined && { videoStopped: video }),
    };
  }

  /** Gives all tracks back. */
  release() {
    this.#isMuted = {};
    for (const track of this.#tracks) {
      const account = accounts.get(track);
      if (!account) continue;
      account.users.delete(this);
      account.muting.delete(this);
      if (account.users.size === 0) {
        track.enabled = account.wasEnabled;
        accounts.delete(track);
      } else {
        track.enabled = account.muting.size === 0;
      }
    }
    this.#tracks.clear();
  }

  #hold(track: MediaStreamTrack, isMuted: boolean) {
    const account = accounts.get(track) ?? { wasEnabled: track.enabled, users: new Set(), muting: new Set() };
    accounts.set(track, account);
    this.#tracks.add(track);
    account.users.add(this);
    if (isMuted) account.muting.add(this);
    else account.muting.delete(this);
    track.enabled = account.muting.size === 0;
  }
}
