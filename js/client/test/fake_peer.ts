/** A peer connection that a test plays. */

export class FakeTrack extends EventTarget {
  kind: string;
  muted: boolean;
  constructor(kind: string, muted = false) {
    super();
    this.kind = kind;
    this.muted = muted;
  }
  clone() {
    return new FakeTrack(this.kind, this.muted);
  }
  stop() {}
}

export class FakePeer extends EventTarget {
  static made: FakePeer[] = [];
  connectionState = "new";
  offers: string[] = [];
  localDescription: { sdp: string } | undefined;
  transceivers: { mid: string; receiver: { track: FakeTrack; transport: EventTarget } }[] = [];
  configuration: RTCConfiguration;
  transport = Object.assign(new EventTarget(), { state: "new" });
  constructor(configuration: RTCConfiguration) {
    super();
    this.configuration = configuration;
    FakePeer.made.push(this);
  }
  /** An offer of a test names its sections: `0:audio 1:video`. */
  async setRemoteDescription({ sdp }: { sdp: string }) {
    if (sdp === "nonsense") throw new TypeError("cannot be read");
    this.offers.push(sdp);
    for (const [, mid, kind] of sdp.matchAll(/(\d+):(\w+)/g)) {
      if (this.transceivers.some(one => one.mid === mid)) continue;
      const track = new FakeTrack(kind, kind === "video");
      this.transceivers.push({ mid, receiver: { track, transport: this.transport } });
    }
  }
  async createAnswer() {
    return { type: "answer", sdp: `answer to ${this.offers.at(-1)}` };
  }
  async setLocalDescription(description: { sdp: string }) {
    this.localDescription = description;
  }
  getTransceivers() {
    return this.transceivers;
  }
  getReceivers() {
    return this.transceivers.map(one => one.receiver);
  }
  close() {
    this.connectionState = "closed";
  }
  become(state: string) {
    this.connectionState = state;
    this.dispatchEvent(new Event("connectionstatechange"));
  }
}
