/**
 * Joins a stage with a participant token, for whoever was sent the link: it publishes from here, and shows whoever else publishes. Nobody
 * signs in; what the token permits is all there is.
 */

import { useSignal } from "@preact/signals";
import { listen, type StageParticipant } from "@restage/client/connections";
import { useEffect } from "preact/hooks";

import { Empty, Problem } from "../../components/feedback";
import { PageHead } from "../../components/page";
import { query } from "../../routes";
import { sentence } from "../../text/explain";
import { nameOr } from "../../text/shown";
import { type Claims, describeCapabilities, otherServer, readClaims } from "../../text/tokens";
import { openPublishing } from "../live/publishing";
import { JoinedTile } from "./tile";
import "./join.css";

/** Where the token is kept for this tab, once it was taken out of the address. */
const KEPT = "restage-console-join";

/** People who are shown at a time. Larger stages need an application of their own. */
const SHOWN_MAX = 12;

/** The token of the link, which is taken out of the address, so that it is neither bookmarked nor passed on. */
function takeToken(): string {
  const given = query.value.get("token");
  if (given) {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", "#/join");
  }
  return sessionStorage.getItem(KEPT) ?? "";
}

export function JoinPage() {
  const token = useSignal("");
  useEffect(() => {
    token.value = takeToken();
  }, [query.value, token]);
  if (!token.value) {
    return (
      <>
        <PageHead title="Join a stage" />
        <Empty title="There is no token">
          <p>Open the link that you were sent, as a whole.</p>
        </Empty>
      </>
    );
  }
  let claims: Claims;
  try {
    claims = readClaims(token.value);
  } catch (error) {
    return (
      <>
        <PageHead title="Join a stage" />
        <Problem text={error instanceof Error ? error.message : `${error}`} />
      </>
    );
  }
  return <Joined key={token.value} token={token.value} claims={claims} />;
}

/** The path of the server's resources from this page, which is at `/console/`. */
const besideConsole = (path: string, isSocket = false): string => {
  const url = new URL(`../${path}`, location.href.split("#")[0]);
  if (isSocket) url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
};

/**
 * What is said of a token that the server has not accepted. Nothing else of what stands in it is shown.
 * @param other The server that it names, if that is not this page's.
 */
function notAccepted(other: string, isOver: boolean): string {
  const whose = other && ` It names the server ${other}, and this page is from ${location.origin}.`;
  return `The server was not reached, or does not accept this link${isOver ? "" : "; trying again"}.${whose}`;
}

function Joined({ token, claims }: { token: string; claims: Claims }) {
  const people = useSignal<StageParticipant[]>([]);
  const state = useSignal("connecting");
  const problem = useSignal("");
  const isAccepted = useSignal(false);
  const other = otherServer(claims.whip_url);
  const events = useSignal<ReturnType<typeof listen> | undefined>(undefined);
  useEffect(() => {
    const socket = listen(token, besideConsole(`events/${claims.topic}`, true));
    events.value = socket;
    const show = () => {
      people.value = [...socket.participants];
      state.value = socket.state;
      const isOver = socket.state === "failed";
      // A browser does not say why a socket was not opened.
      const isUnknown =
        !isAccepted.value && (isOver ? socket.error?.code === "TIMEOUT" : socket.state === "reconnecting");
      if (isUnknown) problem.value = notAccepted(other, isOver);
      else problem.value = isOver ? sentence(socket.error?.message ?? "the server refused") : "";
    };
    // The state of the stage is what the server tells once it has checked the token.
    socket.addEventListener("stagestate", () => {
      isAccepted.value = true;
    });
    for (const event of ["statechange", "stagestate"]) socket.addEventListener(event, show);
    return () => socket.close();
  }, [token, claims.topic, other, people, state, problem, isAccepted, events]);
  const name = nameOr(claims.user_id, "");
  const others = people.value.filter(({ id, isPublishing }) => isPublishing && id !== claims.jti);
  const { allow_publish: mayPublish, allow_subscribe: maySubscribe } = claims.capabilities;
  return (
    <>
      <PageHead
        title={isAccepted.value && name ? "Join as" : "Join a stage"}
        name={isAccepted.value ? name : ""}
        hint={
          isAccepted.value
            ? `You may ${describeCapabilities(claims)}, until ${new Date(claims.exp * 1000).toLocaleString()}.`
            : "Connecting…"
        }
      >
        {isAccepted.value && mayPublish && (
          <button
            type="button"
            class="button primary"
            onClick={() => openPublishing(token, besideConsole("whip"))}
          >
            Publish from here…
          </button>
        )}
      </PageHead>
      <Problem text={problem.value} id="join-problem" />
      {isAccepted.value && maySubscribe && events.value && (
        <section aria-label="Who publishes">
          {others.length === 0 ? (
            <Empty title="Nobody else publishes" id="join-empty">
              <p>{state.value === "open" ? "Whoever begins appears here." : "Connecting…"}</p>
            </Empty>
          ) : (
            <div class="joined">
              {others.slice(0, SHOWN_MAX).map(person => (
                <JoinedTile
                  key={person.id}
                  person={person}
                  token={token}
                  whepUrl={besideConsole(`whep/${person.id}`)}
                  events={events.value}
                />
              ))}
            </div>
          )}
          {others.length > SHOWN_MAX && (
            <p class="hint">{others.length - SHOWN_MAX} more publish; they are not shown here.</p>
          )}
        </section>
      )}
    </>
  );
}
