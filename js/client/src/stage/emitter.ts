/** Events with typed listeners, in the form of the service's SDK: `on`, `once`, `off`, `emit`. */

/** What listeners of an event are given: the members of a tuple, or the one value. */
export type EventArguments<Payload> = Payload extends readonly unknown[]
  ? Payload
  : [Payload] extends [undefined]
    ? []
    : [payload: Payload];

/** The listeners of each event of a map from names to payloads. */
export interface Emitter<EventMap> {
  on<Event extends keyof EventMap>(
    event: Event,
    listener: (...args: EventArguments<EventMap[Event]>) => void,
    context?: unknown,
  ): void;
  once<Event extends keyof EventMap>(
    event: Event,
    listener: (...args: EventArguments<EventMap[Event]>) => void,
    context?: unknown,
  ): void;
  off<Event extends keyof EventMap>(
    event: Event,
    listener: (...args: EventArguments<EventMap[Event]>) => void,
  ): void;
  emit<Event extends keyof EventMap>(event: Event, ...args: EventArguments<EventMap[Event]>): void;
}

// biome-ignore lint/suspicious/noExplicitAny: a listener of a name that the map does not know
type AnyListener = (...args: any[]) => void;

/** A name that the map does not know. */
type Other<Event, EventMap> = Event extends keyof EventMap ? never : Event;

interface Entry {
  listener: AnyListener;
  context: unknown;
  isOnce: boolean;
}

/**
 * Calls listeners in the order in which they came. One that throws does not keep the others from being called: what it threw is reported like
 * an error that nobody caught. Names outside of the map are allowed too, for events of an application's own.
 */
export class TypedEmitter<EventMap> {
  readonly #entries = new Map<PropertyKey, Entry[]>();

  /** Adds a listener; `context` is its `this`. */
  on<Event extends keyof EventMap>(
    event: Event,
    listener: (...args: EventArguments<EventMap[Event]>) => void,
    context?: unknown,
  ): void;
  on<Event extends string>(event: Other<Event, EventMap>, listener: AnyListener, context?: unknown): void;
  on(event: PropertyKey, listener: AnyListener, context?: unknown) {
    this.#add(event, { listener, context, isOnce: false });
  }

  /** Adds a listener that is called once. */
  once<Event extends keyof EventMap>(
    event: Event,
    listener: (...args: EventArguments<EventMap[Event]>) => void,
    context?: unknown,
  ): void;
  once<Event extends string>(event: Other<Event, EventMap>, listener: AnyListener, context?: unknown): void;
  once(event: PropertyKey, listener: AnyListener, context?: unknown) {
    this.#add(event, { listener, context, isOnce: true });
  }

  /** Removes a listener. */
  off<Event extends keyof EventMap>(
    event: Event,
    listener: (...args: EventArguments<EventMap[Event]>) => void,
  ): void;
  off<Event extends string>(event: Other<Event, EventMap>, listener: AnyListener): void;
  off(event: PropertyKey, listener: AnyListener) {
    const left = (this.#entries.get(event) ?? []).filter(entry => entry.listener !== listener);
    this.#entries.set(event, left);
  }

  /** Calls the listeners of an event. */
  emit<Event extends keyof EventMap>(event: Event, ...args: EventArguments<EventMap[Event]>): void;
  emit<Event extends string>(event: Other<Event, EventMap>, ...args: unknown[]): void;
  emit(event: PropertyKey, ...args: Parameters<AnyListener>) {
    for (const { listener, context, isOnce } of [...(this.#entries.get(event) ?? [])]) {
      if (isOnce) this.off(event as never, listener);
      try {
        listener.apply(context, args);
      } catch (error) {
        report(error);
      }
    }
  }

  /** Removes the listeners of an event, or all. */
  removeAllListeners(event?: keyof EventMap | string) {
    if (event === undefined) this.#entries.clear();
    else this.#entries.delete(event);
  }

  /** Whether an event has listeners. */
  hasListenersFor(event: keyof EventMap | string): boolean {
    return (this.#entries.get(event) ?? []).length > 0;
  }

  #add(event: PropertyKey, entry: Entry) {
    this.#entries.set(event, [...(this.#entries.get(event) ?? []), entry]);
  }
}

/** Makes an error of a listener known without ending what called it. */
function report(error: unknown) {
  queueMicrotask(() => {
    throw error;
  });
}
