// The log: a ring of entries, and the list that shows them.

import { t } from './strings.js';
import { parseHex } from './format.js';
import { buildRow, fillBody, narrow } from './row.js';

export const maxRows = 5000;
const maxBytes = 64 * 1024 * 1024; // of payload kept
const perFrame = 8; // ms spent on new rows in one frame: a burst must leave time for input

// Ring keeps the newest entries. Their numbers (seq) go up by one; those in [first, next) are here.
export class Ring {
  first = 0;
  next = 0;
  #bytes = 0;
  #slots = new Array(maxRows);

  push(entry) {
    if (this.next - this.first === maxRows) this.#drop();
    entry.seq = this.next++;
    this.#slots[entry.seq % maxRows] = entry;
    this.#bytes += entry.size;
    while (this.#bytes > maxBytes && this.next - this.first > 1) this.#drop();
  }

  #drop() {
    const i = this.first++ % maxRows;
    this.#bytes -= this.#slots[i].size;
    this.#slots[i] = undefined;
  }

  at(seq) { return this.#slots[seq % maxRows]; }

  clear() {
    this.#slots.fill(undefined);
    this.first = this.next = this.#bytes = 0;
  }
}

// compileFilter turns what was typed into a test. Text is compared without regard to case; bytes are searched for the
// same characters, and for the bytes themselves if the filter can be read as hex.
export function compileFilter(needle, direction) {
  needle = needle.trim();
  if (!needle) return (e) => !direction || e.dir === direction;
  const text = new RegExp(needle.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
  const characters = new TextEncoder().encode(needle);
  const bytes = parseHex(needle).bytes;
  return (e) => (!direction || e.dir === direction) && (e.kind === 'binary'
    ? contains(e.bytes, characters, lower) || (bytes !== undefined && contains(e.bytes, bytes, (b) => b))
    : text.test(e.text));
}

function lower(b) { return b >= 0x41 && b <= 0x5a ? b + 0x20 : b; }

function contains(bytes, part, fold) {
  for (let i = 0; i + part.length <= bytes.length; i++) {
    let j = 0;
    while (j < part.length && fold(bytes[i + j]) === fold(part[j])) j++;
    if (j === part.length) return true;
  }
  return false;
}

// LogView shows the ring in a list. Rows are built in animation frames, never in the message event.
export class LogView {
  paused = false;
  #ring = new Ring();
  #list;
  #jump;
  #changed;
  #filter = () => true;
  #pretty = false;
  #built = 0; // seq of the next row to build
  #shown = 0; // rows not hidden by the filter
  #frame = 0;
  #follow = true; // stay at the newest row
  #unseen = 0; // rows that came while not following
  #touched = -Infinity; // when the person last moved something in the list

  // `changed` is called after each frame in which rows came or went.
  constructor(list, jump, changed) {
    this.#list = list;
    this.#jump = jump;
    this.#changed = changed;
    for (const name of ['wheel', 'touchmove', 'pointerdown', 'keydown']) {
      list.addEventListener(name, (e) => {
        // A press on the list itself is one on its scroll bar.
        if (name !== 'pointerdown' || e.target === list) this.#touched = performance.now();
      }, { passive: true });
    }
    list.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    list.addEventListener('click', (e) => this.#click(e));
    list.addEventListener('keydown', (e) => this.#key(e));
    list.addEventListener('focusin', (e) => this.#focus(e.target.closest('.row'), '0'));
    list.addEventListener('focusout', (e) => this.#focus(e.target.closest('.row'), '-1'));
    jump.addEventListener('click', () => { this.#follow = true; this.#toEnd(); });
    narrow.addEventListener('change', () => this.#refill((entry) => entry.kind === 'binary'));
    new ResizeObserver(() => { if (this.#follow) this.#toEnd(); }).observe(list);
  }

  add(entry) {
    this.#ring.push(entry);
    this.schedule();
  }

  // schedule asks for a frame, whose end reports the tally.
  schedule() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => { this.#frame = 0; this.#render(); });
  }

  get empty() { return this.#ring.next === this.#ring.first; }

  get tally() {
    const parts = [t('tally', this.#shown, this.#list.childElementCount)];
    if (this.#ring.first) parts.push(t('tallyDropped', this.#ring.first));
    if (this.paused) parts.push(t('tallyHeld', this.#ring.next - Math.max(this.#built, this.#ring.first)));
    return parts.join(' · ');
  }

  setFilter(needle, direction) {
    this.#filter = compileFilter(needle, direction);
    this.#shown = 0;
    for (const li of this.#list.children) {
      li.hidden = !this.#filter(this.#entry(li));
      if (!li.hidden) this.#shown++;
    }
    if (this.#follow) this.#toEnd();
    this.schedule();
  }

  setPretty(pretty) {
    this.#pretty = pretty;
    this.#refill((entry) => {
      entry.indent = undefined;
      return entry.kind === 'text';
    });
  }

  // follow goes to the newest row and stays there: who sends wants to see it.
  follow() {
    this.#follow = true;
    this.#touched = -Infinity;
    this.schedule();
  }

  setPaused(paused) {
    this.paused = paused;
    this.schedule();
  }

  clear() {
    this.#ring.clear();
    this.#list.replaceChildren();
    this.#built = this.#shown = this.#unseen = 0;
    this.#follow = true;
    this.schedule();
  }

  // filtered is every kept entry that the filter lets through, shown already or not.
  filtered() {
    const out = [];
    for (let seq = this.#ring.first; seq < this.#ring.next; seq++) {
      const entry = this.#ring.at(seq);
      if (this.#filter(entry)) out.push(entry);
    }
    return out;
  }

  #refill(which) {
    for (const li of this.#list.children) {
      const entry = this.#entry(li);
      if (which(entry)) fillBody(li, entry, this.#pretty);
    }
    if (this.#follow) this.#toEnd();
  }

  #entry(li) { return this.#entries.get(li); }
  #entries = new WeakMap();

  #render() {
    if (!this.paused) {
      this.#trim();
      this.#build();
      if (this.#built < this.#ring.next) this.schedule();
    }
    if (this.#follow) this.#toEnd();
    this.#updateJump();
    this.#changed();
  }

  #trim() {
    for (let li = this.#list.firstElementChild; li && this.#entry(li).seq < this.#ring.first; li = this.#list.firstElementChild) {
      if (!li.hidden) this.#shown--;
      li.remove();
    }
  }

  #build() {
    const from = Math.max(this.#built, this.#ring.first);
    const until = performance.now() + perFrame;
    const rows = document.createDocumentFragment();
    let seq = from;
    for (; seq < this.#ring.next && performance.now() < until; seq++) {
      const entry = this.#ring.at(seq);
      const li = buildRow(entry, this.#pretty);
      this.#entries.set(li, entry);
      li.hidden = !this.#filter(entry);
      if (!li.hidden) {
        this.#shown++;
        if (!this.#follow) this.#unseen++;
      }
      rows.append(li);
    }
    this.#built = seq;
    this.#list.append(rows);
  }

  #toEnd() {
    this.#unseen = 0;
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#updateJump();
  }

  get #atEnd() {
    const list = this.#list;
    return list.scrollHeight - list.scrollTop - list.clientHeight < 24;
  }

  #updateJump() {
    this.#jump.hidden = this.#follow;
    if (!this.#follow) this.#jump.textContent = t('jump', this.#unseen);
  }

  // A scroll event says nothing of its cause. Only one that follows the person's own hand ends the following, or the
  // browser's corrections of estimated row heights would.
  #scrolled() {
    if (this.#atEnd) {
      this.#follow = true;
      this.#unseen = 0;
    } else if (performance.now() - this.#touched < 800) {
      this.#follow = false;
    }
    this.#updateJump();
  }

  #click(e) {
    const button = e.target.closest('[data-act]');
    if (!button) return;
    const li = button.closest('.row');
    const entry = this.#entry(li);
    const { act } = button.dataset;
    if (act === 'all') entry.open = !entry.open; else entry.indent = !(entry.indent ?? this.#pretty);
    fillBody(li, entry, this.#pretty);
    this.#follow = this.#atEnd; // who opens a row wants to read it
    if (li.contains(document.activeElement) || document.activeElement === document.body) {
      li.focus({ preventScroll: true });
    }
    this.#updateJump();
  }

  #key(e) {
    const row = e.target.closest('.row');
    const move = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[e.key];
    if (move) {
      let to = row ? row[move] : this.#list.lastElementChild;
      while (to && to.hidden) to = row ? to[move] : to.previousElementSibling;
      if (!to) return;
      e.preventDefault();
      to.focus({ preventScroll: true });
      to.scrollIntoView({ block: 'nearest' });
    } else if (e.key === 'Enter' && e.target === row) {
      row.querySelector('.act')?.click();
    }
  }

  // Only the buttons of the row in focus are in the tab order: not the thousands of all the others.
  #focus(row, tabIndex) {
    for (const button of row?.querySelectorAll('.act') ?? []) button.tabIndex = tabIndex;
  }
}
