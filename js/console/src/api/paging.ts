/** Lists that come in pages. */

/** Rows per page; the most that the API allows. */
export const PAGE_ROWS = 100;
/** Most rows of a list that are loaded as a whole. Accounts with more must use the API. */
export const LOADED_MAX = 500;

export interface PageOf<Row> {
  rows: Row[];
  nextToken?: string;
}

/** All pages of a list, up to {@link LOADED_MAX} rows or as many as are wanted. */
export async function allPages<Row>(
  ask: (nextToken?: string) => Promise<PageOf<Row>>,
  wanted = LOADED_MAX,
): Promise<{ all: Row[]; hasMore: boolean }> {
  const all: Row[] = [];
  let nextToken: string | undefined;
  do {
    const page = await ask(nextToken);
    all.push(...page.rows);
    nextToken = page.nextToken;
  } while (nextToken && all.length < wanted);
  return { all, hasMore: nextToken !== undefined };
}
