// @ts-check
/**
 * What a session mutes. A track belongs to the caller and may be sent by several sessions, so each track has one account: it is
 * `enabled` only if no session mutes it, and as it was before when no session needs it any more.
 */

/**
 * @typedef {object} Account Of one track.
 * @property {boolean} wasEnabled Before any session changed it.
 * @property {Set<Mutes>} users Those that muted or unmuted it.
 * @property {Set<Mutes>} muting
 */

/** @type {WeakMap<MediaStreamTrack, Account>} */
const accounts = new WeakMap();

/** The mutes of one session. */
export class Mutes {
  /** @type {{ audio?: boolean, video?: boolean }} */
  #isMuted = {};
  /** The tracks that it muted or unmuted. @type {Set<MediaStreamTrack>} */
  #tracks = new Set();

  /**
   * Mutes or unmutes tracks of a kind, and those that {@link Mutes.apply} is given later.
   * @param {"audio" | "video"} kind
   * @param {boolean} isMuted
   * @param {Iterable<MediaStreamTrack>} tracks Others of them are left alone.
   */
  set(kind, isMuted, tracks) {
    this.#isMuted[kind] = isMuted;
    for (const track of new Set([...this.#tracks, ...tracks])) {
      if (track.kind === kind) this.#hold(track, isMuted);
    }
  }

  /**
   * Mutes tracks that are sent from here on. Those that are not muted stay as the caller has them.
   * @param {Iterable<MediaStreamTrack>} tracks
   */
  apply(tracks) {
    for (const track of tracks) {
      if (this.#isMuted[/** @type {"audio" | "video"} */ (track.kind)]) this.#hold(track, true);
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

  /**
   * @param {MediaStreamTrack} track
   * @param {boolean} isMuted
   */
  #hold(track, isMuted) {
    const account = accounts.get(track) ?? { wasEnabled: track.enabled, users: new Set(), muting: new Set() };
    accounts.set(track, account);
    this.#tracks.add(track);
    account.users.add(this);
    if (isMuted) account.muting.add(this);
    else account.muting.delete(this);
    track.enabled = account.muting.size === 0;
  }
}
