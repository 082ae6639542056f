// The page: what is pressed and typed goes to the connection, what the connection tells goes to the log.

import { codeMeaning, t, translate } from './strings.js';
import { duration, size, uptime, utf8Length } from './format.js';
import { checkClose, checkProtocols, checkURL, fromPage } from './address.js';
import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { LogView } from './log.js';
import { entryJSON } from './row.js';

const $ = (id) => document.getElementById(id);

translate(document);

// Counters since the page was opened or the log was emptied.

const counts = { sent: { messages: 0, bytes: 0 }, received: { messages: 0, bytes: 0 }, echo: undefined };

function showCounts() {
  for (const dir of ['sent', 'received']) {
    const { messages, bytes } = counts[dir];
    const el = $(`stat-${dir}`);
    el.dataset.messages = messages;
    el.dataset.bytes = bytes;
    el.textContent = `${messages.toLocaleString('en')} · ${size(bytes)}`;
  }
  $('stat-echo').textContent = counts.echo === undefined ? '–' : duration(counts.echo);
}

function showUptime() {
  $('stat-uptime').textContent = connection.state === 'open' ? uptime(performance.now() - connection.openedAt) : '–';
  if (connection.queued) notify(t('queued', size(connection.queued)));
}

// The log.

const log = new LogView($('log'), $('jump'), () => {
  showCounts();
  $('empty').hidden = !log.empty;
  if (!noticeTimer) $('tally').textContent = log.tally;
});

function message(dir, data, rtt) {
  const entry = typeof data === 'string'
    ? { kind: 'text', text: data, size: utf8Length(data) }
    : { kind: 'binary', bytes: data, size: data.length };
  counts[dir].messages++;
  counts[dir].bytes += entry.size;
  if (rtt !== undefined) counts.echo = rtt;
  log.add({ time: Date.now(), dir, rtt, ...entry });
}

function event(kind, text, detail = {}) {
  log.add({ time: Date.now(), dir: 'event', kind, text, size: 0, code: detail.code, detail });
}

// A notice stands in place of the tally for a while, and a screen reader says it.
let noticeTimer = 0;
function notify(text) {
  $('tally').textContent = text;
  $('live').textContent = text;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { noticeTimer = 0; log.schedule(); }, 3000);
}

// The connection.

let ended = ''; // how the last connection ended, for the status line
let typed = false; // the next open connection was asked for by hand: the message box may take the focus

const connection = new Connection({
  state: showState,
  opening: (url) => event('info', t('connecting', url), { url }),
  open(ms, protocol, extensions) {
    ended = '';
    event('open', t('opened', duration(ms), protocol, extensions), { url: connection.url, protocol, extensions });
    remember(connection.url);
    if (typed && !matchMedia('(pointer: coarse)').matches) composer.focus(); // where a keyboard would not pop up
    typed = false;
  },
  message: (data, rtt) => message('received', data, rtt),
  ended({ code, reason, clean, byUs, cancelled, failed, opened }) {
    if (cancelled) {
      ended = '';
      event('info', t('openCancelled'));
      return;
    }
    ended = opened ? t('stateEnded', code) : t('stateFailed');
    if (!opened) event('error', t('openFailed', connection.url), { url: connection.url });
    else if (failed) event('error', t('protocolFailed'));
    const parts = [t('closed', code, codeMeaning(code))];
    if (reason) parts.push(t('closedReason', reason));
    if (opened) parts.push(t(clean ? 'closedClean' : 'closedUnclean'));
    if (opened && (clean || byUs)) parts.push(t(byUs ? 'closedByUs' : 'closedByServer'));
    event('close', parts.join(' · '), { code, reason, clean });
  },
  retry: (ms, attempt) => event('info', t('retryIn', duration(ms), attempt), { attempt }),
});

const actions = { closed: 'connect', waiting: 'connectNow', connecting: 'cancel', open: 'disconnect', closing: 'stateClosing' };

function stateText() {
  if (connection.state === 'waiting') return t('stateWaiting', connection.seconds, connection.attempt);
  if (connection.state === 'closed') return ended || t('stateClosed');
  return t({ connecting: 'stateConnecting', open: 'stateOpen', closing: 'stateClosing' }[connection.state]);
}

function showState() {
  const { state } = connection;
  const text = stateText();
  const status = $('status');
  // The countdown changes each second; a screen reader hears only where it starts.
  if (status.dataset.state !== state) $('live').textContent = text;
  status.dataset.state = state;
  $('status-text').textContent = text;
  $('connect').textContent = t(actions[state]);
  $('connect').disabled = state === 'closing';
  $('connect').classList.toggle('primary', state === 'closed' || state === 'waiting');
  $('stop').hidden = state !== 'waiting';
  $('send').classList.toggle('primary', state === 'open');
  const host = connection.url && state !== 'closed' ? new URL(connection.url).host : '';
  document.title = t('title', text, host);
  showUptime();
}

function complain(text, ...fields) {
  $('url-error').textContent = text;
  for (const id of ['url', 'protocols', 'code', 'reason']) $(id).setAttribute('aria-invalid', String(fields.includes(id)));
  if (fields.length && fields[0] !== 'url') showOptions(true);
  if (fields.length) $(fields[0]).focus();
}

function connect() {
  complain('');
  const { url, error } = checkURL($('url').value, location.href);
  if (error) return complain(error, 'url');
  const list = checkProtocols($('protocols').value);
  if (list.error) return complain(list.error, 'protocols');
  $('url').value = url;
  typed = true;
  ended = '';
  try {
    connection.connect(url, list.protocols);
  } catch (e) {
    complain(t('urlRefused', url, e.message), 'url');
  }
}

function disconnect() {
  complain('');
  const { args, error } = checkClose($('code').value, $('reason').value);
  if (error) return complain(error, $('code').value.trim() && error === t('codeInvalid', $('code').value.trim()) ? 'code' : 'reason');
  connection.close(args);
}

function toggle() {
  if (connection.state === 'closed' || connection.state === 'waiting') connect(); else disconnect();
}

$('connect').addEventListener('click', toggle);
$('stop').addEventListener('click', () => connection.stop());
$('auto').addEventListener('change', () => {
  connection.auto = $('auto').checked;
  if (!connection.auto) connection.stop();
});
$('bar').addEventListener('submit', (e) => e.preventDefault());
$('bar').addEventListener('input', () => complain(''));
$('bar').addEventListener('keydown', (e) => {
  if (e.key !== 'Enter' || e.isComposing || e.target.tagName !== 'INPUT' || e.target.type !== 'text') return;
  e.preventDefault();
  const closes = e.target.id === 'code' || e.target.id === 'reason';
  if (closes === (connection.state === 'open')) toggle();
});

function showOptions(shown) {
  $('options').hidden = !shown;
  $('more').ariaExpanded = String(shown);
}
$('more').addEventListener('click', () => showOptions($('options').hidden));
showOptions(matchMedia('(min-width: 60rem)').matches);

// URLs used before. Storage may be full, forbidden or broken: the page works without.

const storageKey = 'duplex.console.urls';

function recalled() {
  try {
    const urls = JSON.parse(localStorage.getItem(storageKey));
    return Array.isArray(urls) ? urls.filter((u) => typeof u === 'string') : [];
  } catch { return []; }
}

function remember(url) {
  const urls = [url, ...recalled().filter((u) => u !== url)].slice(0, 12);
  try { localStorage.setItem(storageKey, JSON.stringify(urls)); } catch { /* see above */ }
  offer(urls);
}

function offer(urls) {
  $('urls').replaceChildren(...urls.map((u) => Object.assign(document.createElement('option'), { value: u })));
  $('forget').hidden = urls.length === 0;
}

$('forget').addEventListener('click', () => {
  try { localStorage.removeItem(storageKey); } catch { /* see above */ }
  offer([]);
  notify(t('forgot'));
});
offer(recalled());
$('url').value = fromPage('ws', location.href);
for (const chip of document.querySelectorAll('[data-preset]')) {
  chip.addEventListener('click', () => {
    $('url').value = fromPage(chip.dataset.preset, location.href);
    complain('');
    $('url').focus();
  });
}

// Messages.

function send(data) {
  // What the browser sends for a lone surrogate is U+FFFD: show, count and expect that.
  if (typeof data === 'string' && !data.isWellFormed?.()) data = new TextDecoder().decode(new TextEncoder().encode(data));
  if (!connection.send(data)) return t('notOpen');
  message('sent', data);
  log.follow();
  return '';
}

const composer = new Composer({
  form: $('send-form'), box: $('composer'), hint: $('hint'), error: $('message-error'),
  modes: [$('mode-text'), $('mode-hex')], send,
});

for (const chip of document.querySelectorAll('[data-quick]')) {
  chip.addEventListener('click', () => {
    const error = send(chip.dataset.quick);
    $('message-error').textContent = error;
    if (!error) composer.remember('text', chip.dataset.quick);
  });
}

// The log's tools.

let filterFrame = 0;
function filter() {
  cancelAnimationFrame(filterFrame);
  filterFrame = requestAnimationFrame(() => log.setFilter($('filter').value, $('direction').value));
}
$('filter').addEventListener('input', filter);
$('direction').addEventListener('change', filter);

$('pretty').addEventListener('click', () => log.setPretty(press($('pretty'))));
$('pause').addEventListener('click', () => {
  const paused = press($('pause'));
  $('pause').textContent = t(paused ? 'resume' : 'pause');
  log.setPaused(paused);
});

function press(button) {
  const pressed = button.ariaPressed !== 'true';
  button.ariaPressed = String(pressed);
  return pressed;
}

$('clear').addEventListener('click', () => {
  for (const dir of ['sent', 'received']) counts[dir] = { messages: 0, bytes: 0 };
  counts.echo = undefined;
  log.clear();
});

$('copy').addEventListener('click', async () => {
  const rows = log.filtered();
  const text = rows.map((e) => entryJSON(e) + '\n').join('');
  notify(await copy(text) ? t('copied', rows.length) : t('copyFailed'));
});

// The clipboard interface is missing on a page that came over plain http, as from a device in the local network.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = document.createElement('textarea');
    box.value = text;
    box.className = 'sr';
    document.body.append(box);
    box.select();
    const done = document.execCommand('copy');
    box.remove();
    return done;
  }
}

$('download').addEventListener('click', () => {
  const rows = log.filtered();
  const blob = new Blob(rows.map((e) => entryJSON(e) + '\n'), { type: 'application/x-ndjson' });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `duplex-${new Date().toISOString().replace(/[:.]/g, '-')}.ndjson`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  notify(t('saved', rows.length));
});

setInterval(showUptime, 1000);
showState();
log.schedule();
