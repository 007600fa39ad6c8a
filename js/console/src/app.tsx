/** The frame of the console: the bar, the navigation, and the page that the address names. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { isConnected, known, notice } from "./api/live";
import { isSignedIn, session, signOut } from "./api/session";
import { Toasts } from "./components/feedback";
import { Icon } from "./components/icon";
import { HEADING } from "./components/page";
import { NAVIGATION, ROUTES } from "./pages";
import { JoinPage } from "./pages/join";
import { Publishing, PublishingButton } from "./pages/live/publishing";
import { SignInPage } from "./pages/sign-in";
import { KeyQuestion } from "./pages/sign-in/question";
import { match, query, segments } from "./routes";
import { counted, isShown } from "./text/names";
import { theme, toggleTheme } from "./theme";

/** The first part of the address of the page for joining. */
const JOIN = "join";

export function App() {
  const main = useRef<HTMLElement>(null);
  // Whoever was sent a link to join is not asked for a key, nor led to the pages that need one.
  const isJoining = segments.value[0] === JOIN;
  const isOpen = isSignedIn.value && !isJoining;
  return (
    <div class="shell">
      <button type="button" class="button skip" onClick={() => main.current?.focus()}>
        Skip to the page
      </button>
      <Bar />
      {isOpen && <Navigation />}
      <main class="page" ref={main} tabIndex={-1}>
        {notice.value && !isJoining && (
          <p class="notice" id="notice" role="alert">
            {notice.value}
          </p>
        )}
        {isJoining ? <JoinPage /> : isOpen ? <CurrentPage /> : session.value ? null : <SignInPage />}
      </main>
      {(isOpen || isJoining) && <Publishing />}
      {isOpen && <KeyQuestion />}
      <Toasts />
    </div>
  );
}

/** Whether the navigation of a narrow page is folded. */
const isFolded = signal(true);

function Bar() {
  const isJoining = segments.value[0] === JOIN;
  const isOpen = isSignedIn.value && !isJoining;
  const next = theme.value === "light" ? "dark" : "light";
  return (
    <header class="bar">
      {isOpen && (
        <button
          type="button"
          class="button round menu-button"
          aria-label="Pages"
          aria-expanded={!isFolded.value}
          aria-controls="navigation"
          onClick={() => {
            isFolded.value = !isFolded.value;
          }}
        >
          <Icon name="menu" />
        </button>
      )}
      <a class="brand" href="#/stages">
        <img src="./icon.svg" alt="" width="28" height="28" />
        restage
      </a>
      <p class="summary" id="summary" role="status">
        {isJoining ? "" : summarise()}
      </p>
      <span class="spread" />
      {isOpen && <PublishingButton />}
      <button
        type="button"
        class="button round"
        aria-label={`Use the ${next} theme`}
        title={`Use the ${next} theme`}
        onClick={toggleTheme}
      >
        <Icon name={next === "light" ? "sun" : "moon"} />
      </button>
      {isOpen && (
        <button
          type="button"
          class="button round"
          aria-label="Sign out"
          title="Sign out"
          onClick={() => signOut()}
        >
          <Icon name="leave" />
        </button>
      )}
    </header>
  );
}

function summarise(): string {
  if (!session.value) return "Locked";
  if (!isSignedIn.value) return notice.value ? "Not connected" : "Connecting…";
  if (!isConnected.value) return "Not connected";
  const { stages, hasMore } = known.value;
  const people = stages.flatMap(stage => stage.participants).filter(isShown);
  const replicas = people.filter(participant => participant.replicationType === "REPLICA");
  return (
    `${hasMore ? "more than " : ""}${counted(stages.length, "stage")}, ` +
    `${counted(people.length - replicas.length, "publisher")}, ${counted(replicas.length, "live replica")}`
  );
}

function Navigation() {
  const path = segments.value;
  // Whoever has chosen a page wants to see it.
  useEffect(() => {
    isFolded.value = true;
  }, [path]);
  const section = path[0] ?? "stages";
  return (
    <nav id="navigation" class="nav" aria-label="Pages" data-folded={isFolded.value || undefined}>
      <ul>
        {NAVIGATION.map(({ label, icon, href, section: own }) => (
          <li key={href}>
            <a href={href} aria-current={own === section ? "page" : undefined}>
              <Icon name={icon} />
              {label}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function CurrentPage() {
  const path = segments.value;
  const isFirst = useRef(true);
  // What follows `?` is part of the address: a page that is given something else begins anew.
  const key = `${path.join("/")}?${query.value}`;
  useEffect(() => {
    if (!isFirst.current) document.getElementById(HEADING)?.focus();
    isFirst.current = false;
  }, [key]);
  for (const { path: pattern, view: View } of ROUTES) {
    const params = match(pattern, path);
    if (params) return <View key={key} params={params} />;
  }
  return (
    <>
      <h1 id={HEADING} tabIndex={-1}>
        There is no such page
      </h1>
      <p>
        The navigation leads to those there are, beginning with <a href="#/stages">the stages</a>.
      </p>
    </>
  );
}
