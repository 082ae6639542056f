// One WebSocket at a time, and another one after it when the person asked for that.

import { Echoes } from './echo.js';

const firstDelay = 500; // ms; doubled with each attempt in a row
const lastDelay = 30000;
const settled = 5000; // a connection that lasted this long was a success: the next loss starts from firstDelay

// Connection tells its listener `on`:
//   state()                                        state, attempt or deadline changed
//   opening(url), open(ms, protocol, extensions)
//   message(data, rtt)                             data is a string or a Uint8Array; rtt in ms, or undefined
//   ended({code, reason, clean, byUs, cancelled, failed, opened})
//   retry(ms, attempt)
export class Connection {
  state = 'closed'; // closed, connecting, open, closing, waiting
  auto = false;
  url = '';
  openedAt = 0; // performance.now() of the last open
  attempt = 0;
  #protocols = [];
  #on;
  #ws = null;
  #byUs = false;
  #timer = 0;
  #deadline = 0;
  #echoes = new Echoes();

  constructor(on) { this.#on = on; }

  // connect throws what the browser throws for a URL that it does not let the page open.
  connect(url, protocols) {
    this.#stopTimer();
    this.url = url;
    this.#protocols = protocols;
    this.attempt = 0;
    this.#dial();
  }

  // close starts the closing handshake, or gives up an attempt that is under way.
  close(args = []) {
    if (this.state === 'connecting' || this.state === 'open') {
      this.#byUs = true;
      if (this.state === 'open') this.#ws.close(...args); else this.#ws.close();
      this.#set('closing');
    }
  }

  // stop ends the waiting for the next attempt.
  stop() {
    if (this.state !== 'waiting') return;
    this.#stopTimer();
    this.#set('closed');
  }

  // send takes a string or a Uint8Array and is false when there is no open connection.
  send(data) {
    if (this.state !== 'open') return false;
    this.#echoes.sent(data, performance.now());
    this.#ws.send(data);
    return true;
  }

  // queued is the number of bytes that the browser has not given to the network yet.
  get queued() { return this.#ws ? this.#ws.bufferedAmount : 0; }

  // seconds until the next attempt.
  get seconds() { return Math.max(0, Math.ceil((this.#deadline - performance.now()) / 1000)); }

  #set(state) {
    this.state = state;
    this.#on.state();
  }

  #dial() {
    const started = performance.now();
    const ws = new WebSocket(this.url, this.#protocols);
    ws.binaryType = 'arraybuffer';
    this.#ws = ws;
    this.#byUs = false;
    this.#echoes.clear();
    let opened = false;
    let failed = false;
    ws.onopen = () => {
      opened = true;
      this.openedAt = performance.now();
      this.#set('open');
      this.#on.open(this.openedAt - started, ws.protocol, ws.extensions);
    };
    ws.onmessage = (e) => {
      const data = typeof e.data === 'string' ? e.data : new Uint8Array(e.data);
      this.#on.message(data, this.#echoes.received(data, performance.now()));
    };
    ws.onerror = () => { failed = true; }; // the event says nothing more; a close event always follows
    ws.onclose = (e) => {
      this.#ws = null;
      const byUs = this.#byUs;
      this.#on.ended({ code: e.code, reason: e.reason, clean: e.wasClean, byUs, cancelled: byUs && !opened, failed, opened });
      if (!byUs && this.auto) this.#wait(opened); else this.#set('closed');
    };
    this.#on.opening(this.url);
    this.#set('connecting');
  }

  #wait(opened) {
    if (opened && performance.now() - this.openedAt >= settled) this.attempt = 0;
    this.attempt++;
    // Jitter, so that a thousand pages do not come back in the same moment.
    const delay = Math.min(lastDelay, firstDelay * 2 ** (this.attempt - 1)) * (0.75 + Math.random() / 2);
    this.#deadline = performance.now() + delay;
    this.#on.retry(delay, this.attempt);
    this.#set('waiting');
    this.#tick();
  }

  #tick() {
    const left = this.#deadline - performance.now();
    if (left <= 0) {
      this.#dial();
      return;
    }
    this.#on.state();
    this.#timer = setTimeout(() => this.#tick(), Math.min(left, left % 1000 || 1000));
  }

  #stopTimer() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }
}
