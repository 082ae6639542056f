// One entry of the log as a list item. Everything from the network goes through textContent: it is shown, never parsed.

import { t } from './strings.js';
import { base64, clock, duration, hexdump, indentJSON, looksJSON, size } from './format.js';

const shortText = 1000; // characters of a text, and
const shortLines = 12; // lines, shown at first
const shortBytes = 256; // bytes of a dump shown at first
const longText = 256 * 1024; // the most that "show all" puts into the page
const longBytes = 64 * 1024;

// narrow is true where sixteen bytes do not fit into a line; rows made before it changed are filled again.
export const narrow = matchMedia('(max-width: 62rem)');
const dump = (bytes) => hexdump(bytes, narrow.matches ? 8 : 16);

const arrows = { sent: '→', received: '←', event: '·' };
const kinds = { text: 'kindText', binary: 'kindBinary', open: 'kindOpen', close: 'kindClose', error: 'kindError', info: 'kindInfo' };

function make(tag, className, text) {
  const el = document.createElement(tag);
  if (className) el.className = className;
  if (text !== undefined) el.textContent = text;
  return el;
}

// buildRow makes the list item of an entry. `pretty` asks for JSON on several lines.
export function buildRow(entry, pretty) {
  const li = make('li', 'row');
  li.tabIndex = -1;
  li.dataset.seq = entry.seq;
  li.dataset.dir = entry.dir;
  li.dataset.kind = entry.kind;
  const time = make('time', 'time', clock(entry.time));
  time.title = new Date(entry.time).toISOString();
  const dir = make('span', 'dir');
  const arrow = make('span', '', arrows[entry.dir]);
  arrow.ariaHidden = 'true';
  dir.append(arrow, make('span', 'sr', t(entry.dir)));
  li.append(time, dir, make('span', 'kind', t(kinds[entry.kind])));
  const bytes = make('span', 'size', entry.dir === 'event' ? '' : size(entry.size));
  if (entry.dir !== 'event') li.dataset.size = entry.size;
  if (entry.code !== undefined) li.dataset.code = entry.code;
  const echo = make('span', 'echo');
  if (entry.rtt !== undefined) {
    echo.textContent = t('echoAfter', duration(entry.rtt));
    echo.title = t('echoTitle');
    li.dataset.rtt = entry.rtt;
  }
  li.append(bytes, make('div', 'body'), echo);
  fillBody(li, entry, pretty);
  return li;
}

// fillBody writes the payload of a row, again after a button of it was pressed.
export function fillBody(li, entry, pretty) {
  const body = li.querySelector('.body');
  const view = entry.kind === 'binary' ? dumpView(entry) : textView(entry, pretty);
  const acts = view.acts.map(([act, label]) => {
    const button = make('button', 'act', label);
    button.type = 'button';
    button.tabIndex = -1;
    button.dataset.act = act;
    return button;
  });
  body.replaceChildren(view.payload);
  if (view.note) body.append(make('p', 'note', view.note));
  if (acts.length) {
    const bar = make('div', 'acts');
    bar.append(...acts);
    body.append(bar);
  }
}

function textView(entry, pretty) {
  const acts = [];
  let text = entry.text;
  if (text === '') return { payload: make('pre', 'payload none', t('emptyMessage')), acts };
  if (entry.dir !== 'event' && looksJSON(text)) {
    const indent = entry.indent ?? pretty;
    const indented = indent ? indentJSON(text) : null;
    if (indented !== null) text = indented;
    if (!indent || indented !== null) acts.push(['indent', t(indent ? 'showRaw' : 'showPretty')]);
  }
  const short = cut(text, shortText, shortLines);
  if (short.length === text.length) return { payload: payload(text), acts };
  if (!entry.open) {
    acts.unshift(['all', t(text.length > longText ? 'showPart' : 'showAll', ...whole(text.length > longText, longText, entry.size))]);
    return { payload: payload(short + '…'), acts };
  }
  acts.unshift(['all', t('showLess')]);
  const long = cut(text, longText, Infinity);
  const note = long.length < text.length ? t('showTooLong', size(entry.size)) : '';
  return { payload: payload(long), acts, note };
}

function dumpView(entry) {
  const all = entry.bytes;
  const classes = 'payload hexdump';
  if (all.length === 0) return { payload: make('pre', 'payload none', t('emptyMessage')), acts: [] };
  if (all.length <= shortBytes) return { payload: make('pre', classes, dump(all)), acts: [] };
  if (!entry.open) {
    const label = t(all.length > longBytes ? 'showPart' : 'showAll', ...whole(all.length > longBytes, longBytes, all.length));
    return { payload: make('pre', classes, dump(all.subarray(0, shortBytes)) + '\n…'), acts: [['all', label]] };
  }
  const note = all.length > longBytes ? t('showTooLong', size(all.length)) : '';
  return { payload: make('pre', classes, dump(all.subarray(0, longBytes))), acts: [['all', t('showLess')]], note };
}

function whole(tooLong, most, n) { return tooLong ? [size(most), size(n)] : [size(n)]; }

// cut shortens a text to a number of characters and of lines, and never between the halves of a surrogate pair.
function cut(text, characters, lines) {
  let end = Math.min(text.length, characters);
  if (end < text.length && /[\ud800-\udbff]/.test(text[end - 1])) end--;
  let at = -1;
  for (let n = 0; n < lines; n++) {
    at = text.indexOf('\n', at + 1);
    if (at < 0 || at >= end) return text.slice(0, end);
  }
  return text.slice(0, at);
}

// payload shows control characters as escapes: a NUL at the end of a message, sent by a program that counted the
// terminator of a C string, is a mistake worth seeing.
function payload(text) {
  const pre = make('pre', 'payload');
  if (!/[\0-\x08\x0b-\x1f\x7f]/.test(text)) {
    pre.textContent = text;
    return pre;
  }
  for (const part of text.split(/([\0-\x08\x0b-\x1f\x7f]+)/)) {
    if (/^[\0-\x08\x0b-\x1f\x7f]/.test(part)) {
      pre.append(make('span', 'control', part.replace(/[^]/g, (c) => '\\x' + c.charCodeAt(0).toString(16).padStart(2, '0'))));
    } else if (part) {
      pre.append(part);
    }
  }
  return pre;
}

// entryJSON is an entry as a line of the saved log. Text is kept as text, bytes as base64.
export function entryJSON(entry) {
  const { dir, kind } = entry;
  const out = { time: new Date(entry.time).toISOString(), dir, kind };
  if (dir === 'event') {
    return JSON.stringify({ ...out, ...entry.detail, note: entry.text });
  }
  out.size = entry.size;
  if (kind === 'binary') out.base64 = base64(entry.bytes); else out.text = entry.text;
  if (entry.rtt !== undefined) out.echo_ms = Number(entry.rtt.toFixed(3));
  return JSON.stringify(out);
}
