/**
 * Publishes this browser's camera and microphone, or a test picture, with a participant token. The dialog can be closed
 * while it publishes; the button that opens it shows that.
 */

import { signal } from "@preact/signals";
import {
  canSend,
  decodeToken,
  type MediaSession,
  publish,
  type TokenPayload,
} from "@restage/client/connections";
import { useEffect, useRef } from "preact/hooks";

import { idOf } from "../../api/arn";
import { known } from "../../api/live";
import { Dialog } from "../../components/dialog";
import { Problem } from "../../components/feedback";
import { Icon } from "../../components/icon";
import { TestPicture } from "../../media/picture";
import { describeError, describeSession, hasAnswered, whyNoCamera } from "../../text/explain";
import { stageName } from "../../text/names";
import { nameOr, shown } from "../../text/shown";
import { otherServer } from "../../text/tokens";

type Source = "camera" | "picture";

/** What is published, and how it ends. */
interface Publication {
  media: MediaSession;
  stream: MediaStream;
  stop: () => void;
}

const isOpen = signal(false);
const token = signal("");
/** Where it is published to, if not to where the token says. */
let whipUrl: string | undefined;
const source = signal<Source>("camera");
const isStarting = signal(false);
const publication = signal<Publication | undefined>(undefined);
const problem = signal("");
const status = signal("");
/** What the button that opens the dialog says. */
const label = signal("Publish from here…");

/**
 * Opens the dialog with a token; without one it has the previous one.
 * @param to The URL to publish to. Without one it is that of the token, which says it before anybody has checked its signature.
 */
export function openPublishing(given?: string, to?: string): void {
  if (given && !publication.value) {
    token.value = given;
    whipUrl = to;
  }
  const reason = whyNoCamera();
  if (reason && source.value === "camera") problem.value = reason;
  isOpen.value = true;
}

/** The button in the bar. */
export function PublishingButton() {
  return (
    <button
      type="button"
      class="button"
      id="open-publish"
      aria-haspopup="dialog"
      aria-pressed={publication.value !== undefined}
      onClick={() => openPublishing()}
    >
      <Icon name="publish" />
      <span class="word">{label.value}</span>
    </button>
  );
}

/** The dialog, if it is open. */
export function Publishing() {
  return isOpen.value ? <PublishingDialog /> : null;
}

function PublishingDialog() {
  const isOn = publication.value !== undefined;
  const isImpossible = source.value === "camera" && whyNoCamera() !== "";
  const what = source.value === "camera" ? "Publish camera and microphone" : "Publish the test picture";
  const close = () => {
    isOpen.value = false;
  };
  return (
    <Dialog title="Publish from this browser" id="publish" onClose={close}>
      <form
        class="form"
        id="publish-form"
        noValidate
        onSubmit={event => {
          event.preventDefault();
          if (publication.value) stop("Stopped.");
          else void begin();
        }}
      >
        {isOn ? <Preview /> : <Choice />}
        <Problem text={problem.value} id="publish-problem" />
        <p class="sheet-status" id="publish-status" role="status">
          {status.value}
        </p>
        <div class="form-actions">
          <button type="button" class="button" onClick={close}>
            Close
          </button>
          <button
            type="submit"
            id="publish-start"
            class={`button ${isOn ? "danger" : "primary"}`}
            disabled={isStarting.value || (!isOn && isImpossible)}
          >
            {isOn ? "Stop publishing" : what}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Choice() {
  const choose = (next: Source) => {
    source.value = next;
    problem.value = next === "camera" ? whyNoCamera() : "";
  };
  return (
    <>
      <div class="field">
        <label for="publish-token">Participant token with the capability PUBLISH</label>
        <textarea
          id="publish-token"
          rows={4}
          autocomplete="off"
          spellcheck={false}
          placeholder="eyJ…"
          aria-describedby="publish-problem"
          value={token.value}
          onInput={event => {
            token.value = event.currentTarget.value;
            whipUrl = undefined;
            problem.value = source.value === "camera" ? whyNoCamera() : "";
          }}
        />
      </div>
      <fieldset class="choices">
        <legend>What is published</legend>
        <label>
          <input
            type="radio"
            name="source"
            checked={source.value === "camera"}
            onChange={() => choose("camera")}
          />
          camera and microphone
        </label>
        <label>
          <input
            type="radio"
            name="source"
            checked={source.value === "picture"}
            onChange={() => choose("picture")}
          />
          a test picture with a tone
        </label>
      </fieldset>
    </>
  );
}

function Preview() {
  const video = useRef<HTMLVideoElement>(null);
  const stream = publication.value?.stream;
  useEffect(() => {
    if (!video.current || !stream) return;
    video.current.srcObject = stream;
    video.current.play().catch(() => {});
  }, [stream]);
  return (
    <video
      id="publish-preview"
      class="preview"
      ref={video}
      muted
      playsInline
      aria-label="What is published"
    />
  );
}

async function begin(): Promise<void> {
  isStarting.value = true;
  problem.value = "";
  status.value = "";
  try {
    await start();
  } catch (error) {
    stop("");
    problem.value = describeError(error);
  } finally {
    isStarting.value = false;
  }
}

async function start(): Promise<void> {
  const given = token.value.trim();
  const payload = readToken(given);
  const { stream, end } = await openSource(payload);
  // Firefox has H.264 only with a plug-in.
  const videoCodec = canSend("H264") ? "H264" : undefined;
  const url = whipUrl ?? payload.whip_url;
  const media = publish(url, given, stream, { videoCodec });
  const stopAll = () => {
    media.close();
    end();
  };
  publication.value = { media, stream, stop: stopAll };
  for (const event of ["statechange", "error"]) {
    media.addEventListener(event, () => show(media, payload, url));
  }
  show(media, payload, url);
}

async function openSource(payload: TokenPayload): Promise<{ stream: MediaStream; end: () => void }> {
  if (source.value === "picture") {
    const picture = new TestPicture(shown(nameOr(payload.user_id, payload.jti)));
    return { stream: picture.stream, end: () => picture.stop() };
  }
  status.value = "Waiting for camera and microphone…";
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: true,
    video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
  });
  const end = () => {
    for (const track of stream.getTracks()) track.stop();
  };
  return { stream, end };
}

function show(media: MediaSession, payload: TokenPayload, url: string): void {
  if (media !== publication.value?.media) return;
  const told = describeSession(media);
  if (media.state === "failed") {
    // The token stays in its field, so that it can be corrected or used again.
    stop("");
    problem.value = told.problem;
    return;
  }
  problem.value = told.problem;
  if (!hasAnswered(media)) {
    // What the token says is not known to be true.
    status.value = told.problem ? "" : "Connecting…";
    label.value = `Publishing: ${told.label}`;
    const other = otherServer(url);
    if (told.problem && other) {
      problem.value = `The token names the server ${other}, which was not reached; this page is from ${location.origin}. Trying again.`;
    }
    return;
  }
  const name = nameOr(payload.user_id, payload.jti);
  const found = known.value.stages.find(stage => idOf(stage.arn) === payload.topic);
  const stage = found ? stageName(found) : payload.topic;
  status.value = told.problem ? `${name} in ${stage}: ${told.label}` : `${name} is ${told.label} in ${stage}`;
  label.value = media.state === "live" ? "Publishing" : `Publishing: ${told.label}`;
}

function stop(said: string): void {
  publication.value?.stop();
  publication.value = undefined;
  label.value = "Publish from here…";
  problem.value = "";
  status.value = said;
}

/** The claims of a token, if it allows publishing. */
function readToken(text: string): TokenPayload {
  if (text === "") throw new Error("Paste a participant token.");
  let payload: TokenPayload;
  try {
    payload = decodeToken(text);
  } catch {
    throw new Error(
      "This is not a participant token: it must have three parts with dots between them, and begin with eyJ",
    );
  }
  if (!payload.whip_url) throw new Error("This token names no whip_url: it is not a participant token.");
  return payload;
}
