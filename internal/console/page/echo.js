// Round trips: an echo is a received message equal to one that was sent and not answered yet.

const most = 256; // unanswered messages remembered; a server that never echoes must not cost memory

function same(a, b) {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export class Echoes {
  #waiting = [];

  sent(data, now) {
    this.#waiting.push({ data, now });
    if (this.#waiting.length > most) this.#waiting.shift();
  }

  // received gives the milliseconds since the oldest unanswered message with this payload was sent, or undefined. A
  // message that the server answers otherwise, or not at all, does not keep later ones from being measured.
  received(data, now) {
    const i = this.#waiting.findIndex((w) => same(w.data, data));
    if (i < 0) return undefined;
    const [{ now: then }] = this.#waiting.splice(i, 1);
    return now - then;
  }

  clear() { this.#waiting = []; }
}
