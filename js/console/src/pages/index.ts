/** All pages: at which address each is, and which are in the navigation. A further page is one line in each table. */

import type { ComponentType } from "preact";

import type { IconName } from "../components/icon";
import { hrefOf } from "../routes";
import { CompositionsPage } from "./compositions";
import { HealthPage } from "./health";
import { IngestPage } from "./ingest";
import { KeysPage } from "./keys";
import { LivePage } from "./live";
import { NetworkPage } from "./network";
import { RecordingsPage } from "./recordings";
import { ReplicasPage } from "./replicas";
import { ReplicationPage } from "./replication";
import { SessionsPage } from "./sessions";
import { ParticipantPage } from "./sessions/participant";
import { SessionPage } from "./sessions/session";
import { StagesPage } from "./stages";

/** What a page is given: the values of the `:names` in its path, in their order. */
export interface PageProps {
  params: string[];
}

interface Route {
  /** Such as `stages/:id`; see `match`. */
  path: string;
  view: ComponentType<PageProps>;
}

export const ROUTES: Route[] = [
  { path: "", view: StagesPage },
  { path: "stages", view: StagesPage },
  { path: "stages/:id", view: LivePage },
  { path: "stages/:id/sessions", view: SessionsPage },
  { path: "stages/:id/sessions/:session", view: SessionPage },
  { path: "stages/:id/sessions/:session/:participant", view: ParticipantPage },
  { path: "replication", view: ReplicationPage },
  { path: "replicas", view: ReplicasPage },
  { path: "recordings", view: RecordingsPage },
  { path: "compositions", view: CompositionsPage },
  { path: "ingest", view: IngestPage },
  { path: "keys", view: KeysPage },
  { path: "health", view: HealthPage },
  { path: "network", view: NetworkPage },
];

interface Entry {
  label: string;
  icon: IconName;
  href: string;
  /** The first part of the paths that belong to it; none if it is a page of its own. */
  section?: string;
}

export const NAVIGATION: Entry[] = [
  { label: "Stages", icon: "stages", href: hrefOf("stages"), section: "stages" },
  { label: "Replication", icon: "replication", href: hrefOf("replication"), section: "replication" },
  { label: "Replicas", icon: "replicas", href: hrefOf("replicas"), section: "replicas" },
  { label: "Recordings", icon: "recordings", href: hrefOf("recordings"), section: "recordings" },
  { label: "Compositions", icon: "compositions", href: hrefOf("compositions"), section: "compositions" },
  { label: "Ingest keys", icon: "ingest", href: hrefOf("ingest"), section: "ingest" },
  { label: "Keys", icon: "keys", href: hrefOf("keys"), section: "keys" },
  { label: "Health", icon: "health", href: hrefOf("health"), section: "health" },
  { label: "Network", icon: "network", href: hrefOf("network"), section: "network" },
];
