// A queue that a test can wait on, and a limit for every wait. Nothing here looks twice at the same thing.

/** The longest any single wait may take, in milliseconds: Chromium's slowest ordinary reconnection, doubled. */
export const LIMIT = 60_000;

/** Fails with `what` when the promise takes longer than `limit` milliseconds. */
export function within(promise, what, limit = LIMIT) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limit} ms for ${typeof what === 'function' ? what() : what}`)), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What arrived and was not yet taken. */
export class Queue {
  #name;
  #waiting = [];
  /** Everything that ever arrived, for the report of a failure. */
  all = [];
  #untaken = [];

  constructor(name) {
    this.#name = name;
  }

  push(item) {
    this.all.push(item);
    const waiting = this.#waiting.shift();
    if (waiting) waiting(item);
    else this.#untaken.push(item);
  }

  /** The next one, which may have arrived already. */
  next(limit = LIMIT) {
    if (this.#untaken.length > 0) return Promise.resolve(this.#untaken.shift());
    const arrival = new Promise((resolve) => this.#waiting.push(resolve));
    return within(arrival, () => `${this.#name}; so far: ${JSON.stringify(this.all).slice(0, 2000)}`, limit);
  }

  /** So many, in the order in which they came. */
  async take(count, limit = LIMIT) {
    const taken = [];
    while (taken.length < count) taken.push(await this.next(limit));
    return taken;
  }

  /** How many have arrived that nobody has asked for. */
  get untaken() {
    return this.#untaken.length;
  }
}
