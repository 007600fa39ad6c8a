/**
 * The pagination of boto3 and the AWS CLI: PageSize goes to the service, MaxItems cuts the list, and NextToken stores the place inside a
 * page, so that StartingToken goes on there. The tokens are the same as theirs (botocore, paginate.py; the crate restage-client has them too),
 * so that a list that was begun here can be continued there, and the other way round.
 */

export interface Wishes {
  /** How many items at most. */
  maxItems?: number;
  /** How many items the service is asked for at a time. */
  pageSize?: number;
  startingToken?: string;
}

export interface Result<Item> {
  items: Item[];
  /** With which the list goes on; undefined if it is complete. */
  nextToken?: string;
  /** How many pages the service was asked for. */
  requests: number;
}

export interface ServicePage<Item> {
  items: Item[];
  nextToken?: string;
}

/** Where a list goes on: the service's own token, and how many items of that page were seen before. */
interface Place {
  token: string | null;
  seen: number;
}

/** Pages that one list may have: as many items as MaxItems can name are not shown in a table anyway. */
export const REQUESTS_MAX = 100;

/** A member that is the number of items of a page that were seen before. */
const SEEN = "boto_truncate_amount";

/**
 * Reads the list, as `build_full_result()` does.
 * @throws {Error} The starting token is not one, or the list has too many pages.
 */
export async function readAll<Item>(
  fetchPage: (maxResults: number | undefined, nextToken: string | undefined) => Promise<ServicePage<Item>>,
  { maxItems, pageSize, startingToken }: Wishes,
): Promise<Result<Item>> {
  let place = startingToken ? decodePlace(startingToken) : { token: null, seen: 0 };
  const items: Item[] = [];
  for (let requests = 1; requests <= REQUESTS_MAX; requests++) {
    const page = await fetchPage(pageSize, place.token ?? undefined);
    const left = maxItems === undefined ? Number.POSITIVE_INFINITY : maxItems - items.length;
    const unseen = page.items.slice(place.seen);
    const taken = unseen.slice(0, left);
    items.push(...taken);
    if (taken.length < unseen.length) {
      const nextToken = encodePlace({ token: place.token, seen: place.seen + taken.length });
      return { items, nextToken, requests };
    }
    if (page.nextToken === undefined) return { items, requests };
    place = { token: page.nextToken, seen: 0 };
    if (items.length === maxItems) return { items, nextToken: encodePlace(place), requests };
  }
  throw new Error(`The list has more than ${REQUESTS_MAX} pages: set MaxItems, or a larger PageSize.`);
}

/** As Python's `json.dumps` writes it, in Base64. */
export function encodePlace({ token, seen }: Place): string {
  const seenPart = seen > 0 ? `, "${SEEN}": ${seen}` : "";
  return btoa(`{"nextToken": ${JSON.stringify(token)}${seenPart}}`);
}

/** Reads a NextToken of this page, of boto3 or of the CLI; anything else is a token of the service. */
export function decodePlace(text: string): Place {
  const found = parse(text);
  if (found === undefined) return { token: text, seen: 0 };
  const { nextToken = null, [SEEN]: seen = 0, ...others } = found;
  const isToken = nextToken === null || typeof nextToken === "string";
  const isWhole = typeof seen === "number" && Number.isInteger(seen) && seen >= 0;
  if (!isToken || !isWhole || Object.keys(others).length > 0) {
    throw new Error("StartingToken is not the NextToken of an earlier list.");
  }
  return { token: nextToken, seen };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(atob(text));
    return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
