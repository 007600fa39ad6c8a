/** Tables, and lists that come in pages. */

import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { describeError } from "../text/explain";
import { Problem } from "./feedback";

export interface Column<Row> {
  /** The heading; for a column of buttons it is read aloud only. */
  title: string;
  cell: (row: Row) => ComponentChildren;
  /**
   * `wide` takes the room that is left, `name` what a name needs, however long it is; `number` is aligned to the right, `actions` holds
   * buttons.
   */
  kind?: "wide" | "name" | "number" | "actions";
}

interface TableProps<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  keyOf: (row: Row) => string;
  /** Shown instead of rows where there are none. */
  empty?: ComponentChildren;
}

/** A table. On a narrow page each row is a card, with the headings beside the values. */
export function Table<Row>({ caption, columns, rows, keyOf, empty }: TableProps<Row>) {
  if (rows.length === 0 && empty) return <>{empty}</>;
  return (
    <div class="table-frame">
      <table class="table">
        <caption>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, kind }) => (
              <th key={title} scope="col" data-kind={kind}>
                {kind === "actions" ? <span class="only-read">{title}</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(row => (
            <tr key={keyOf(row)} data-key={keyOf(row)}>
              {columns.map(({ title, cell, kind }) => (
                <td key={title} data-kind={kind} data-title={kind === "actions" ? undefined : title}>
                  <div class="cell">{cell(row)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export interface Page<Row> {
  rows: Row[];
  nextToken?: string;
}

export interface Paged<Row> {
  rows: Row[];
  /** Whether there are rows that are not loaded. */
  hasMore: boolean;
  isLoading: boolean;
  /** Why the last page was not loaded; empty if it was. */
  problem: string;
  /** Loads the next page. */
  more: () => void;
  /** Begins again with the first page. */
  reload: () => void;
}

/**
 * The rows of a list that comes in pages with tokens.
 * @param load Loads a page. The list begins again when `key` changes.
 */
export function usePaged<Row>(load: (nextToken?: string) => Promise<Page<Row>>, key: string): Paged<Row> {
  const [rows, setRows] = useState<Row[]>([]);
  const [nextToken, setNextToken] = useState<string | undefined>(undefined);
  const [isLoading, setIsLoading] = useState(true);
  const [problem, setProblem] = useState("");
  const turn = useRef(0);
  const latest = useRef(load);
  latest.current = load;
  const fetchPage = useCallback(async (token: string | undefined) => {
    turn.current += 1;
    const own = turn.current;
    setIsLoading(true);
    setProblem("");
    try {
      const page = await latest.current(token);
      // Another list may have been asked for meanwhile.
      if (own !== turn.current) return;
      setRows(before => (token === undefined ? page.rows : [...before, ...page.rows]));
      setNextToken(page.nextToken);
    } catch (error) {
      if (own === turn.current) setProblem(describeError(error));
    }
    if (own === turn.current) setIsLoading(false);
  }, []);
  useEffect(() => {
    setRows([]);
    setNextToken(undefined);
    void fetchPage(undefined);
    return () => {
      turn.current += 1;
    };
  }, [key, fetchPage]);
  return {
    rows,
    hasMore: nextToken !== undefined,
    isLoading,
    problem,
    more: () => void (nextToken !== undefined && fetchPage(nextToken)),
    reload: () => void fetchPage(undefined),
  };
}

/** What belongs below a list that comes in pages: how far it goes, and the button for more of it. */
export function PagedFoot<Row>({ list, what }: { list: Paged<Row>; what: string }) {
  const { rows, hasMore, isLoading, problem } = list;
  return (
    <div class="list-foot">
      <p class="found" role="status">
        {isLoading ? "Loading…" : rows.length > 0 && `${rows.length} ${what}${hasMore ? " so far" : ""}`}
      </p>
      <Problem text={problem} />
      {problem && rows.length === 0 && (
        <button type="button" class="button" onClick={list.reload}>
          Try again
        </button>
      )}
      {hasMore && (
        <button type="button" class="button" disabled={isLoading} onClick={list.more}>
          Load more
        </button>
      )}
    </div>
  );
}
