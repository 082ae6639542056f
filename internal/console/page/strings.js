// Every sentence the page shows. Another language is another object of the same keys; a value is a string, or a
// function of the numbers and names that the sentence needs.

const en = {
  // What the page's own markup shows (attributes data-t, data-label, data-title, data-placeholder).
  url: 'URL',
  urlExample: 'ws://192.168.1.20/ws',
  presets: 'Presets',
  presetEcho: 'echo',
  presetChannel: 'channel',
  forget: 'forget URLs',
  forgetTitle: 'Forget the URLs that this browser remembers for the console',
  auto: 'reconnect',
  options: 'options',
  protocols: 'Subprotocols',
  protocolsExample: 'none, or chat.v2, chat.v1',
  closeCode: 'Close code',
  closeCodeExample: 'none',
  closeReason: 'Close reason',
  closeReasonExample: 'none',
  statSent: 'sent',
  statReceived: 'received',
  statEcho: 'echo',
  statUptime: 'open for',
  logTools: 'Log',
  log: 'Messages and events, oldest first. Arrow keys move from row to row, Enter opens a long one.',
  filter: 'Filter',
  direction: 'Show',
  dirAll: 'all',
  dirSent: 'sent',
  dirReceived: 'received',
  dirEvent: 'events',
  pretty: 'JSON',
  prettyTitle: 'Indent every message that is JSON',
  pause: 'Pause',
  resume: 'Resume',
  pauseTitle: 'Hold the log still; messages are still received and kept',
  copy: 'Copy',
  copyTitle: 'Copy the rows that the filter lets through, one JSON object a line',
  download: 'Save',
  downloadTitle: 'Download the rows that the filter lets through as NDJSON',
  clear: 'Clear',
  clearTitle: 'Empty the log and start the counters again',
  emptyTitle: 'Nothing yet.',
  emptyHint: 'Press Connect, then type a message below and press Enter.',
  sendAs: 'Send as',
  modeText: 'text',
  modeHex: 'hex',
  quick: 'Send at once',
  message: 'Message',
  send: 'Send',
  keys: 'Enter sends · Shift+Enter starts a new line · ↑ brings back what was sent',

  // The connection's state.
  connect: 'Connect',
  connectNow: 'Connect now',
  cancel: 'Cancel',
  disconnect: 'Disconnect',
  stop: 'Stop',
  stateClosed: 'not connected',
  stateConnecting: 'connecting',
  stateOpen: 'open',
  stateClosing: 'closing',
  stateEnded: (code) => `closed ${code}`,
  stateFailed: 'failed to connect',
  stateWaiting: (seconds, attempt) => `reconnecting in ${seconds} s (attempt ${attempt})`,
  title: (state, host) => (host ? `${state} · ${host} · duplex` : `${state} · duplex`),

  // Rows of the log.
  sent: 'sent',
  received: 'received',
  event: 'event',
  kindText: 'text',
  kindBinary: 'binary',
  kindOpen: 'open',
  kindClose: 'close',
  kindError: 'error',
  kindInfo: 'note',
  emptyMessage: 'empty message',
  echoAfter: (time) => `echo ${time}`,
  echoTitle: 'Time from send() to the arrival of the same payload, as this page saw it',
  connecting: (url) => `Connecting to ${url}`,
  opened: (ms, protocol, extensions) => `Open after ${ms}` + (protocol ? ` · subprotocol ${protocol}` : ' · no subprotocol')
    + (extensions ? ` · ${extensions}` : ' · no extension'),
  openFailed: (url) => `No WebSocket at ${url}. A page is not told why: is a server listening there, is the path right, `
    + 'does it refuse this Origin, is its certificate trusted? The browser’s developer tools (network) show its answer.',
  openCancelled: 'Cancelled before the connection was open.',
  protocolFailed: 'The browser ended the connection because of what the server sent, or the connection broke. '
    + 'The browser’s developer tools (console) say which.',
  closed: (code, meaning) => `${code} ${meaning}`,
  closedReason: (reason) => `reason “${reason}”`,
  closedClean: 'closing handshake complete',
  closedUnclean: 'no closing handshake',
  closedByUs: 'started here',
  closedByServer: 'started by the server',
  retryIn: (time, attempt) => `Reconnecting in ${time}, attempt ${attempt}.`,
  showAll: (size) => `show all ${size}`,
  showPart: (part, size) => `show ${part} of ${size}`,
  showLess: 'show less',
  showTooLong: (size) => `The rest of ${size} is too long for a page: Save writes all of it.`,
  showPretty: 'indent',
  showRaw: 'as sent',
  tally: (shown, all) => (shown === all ? `${all} rows` : `${shown} of ${all} rows`),
  tallyDropped: (n) => `${n} older dropped`,
  tallyHeld: (n) => `${n} held`,
  jump: (n) => (n ? `↓ ${n} new` : '↓ latest'),
  copied: (n) => `${n} rows copied.`,
  copyFailed: 'The browser did not let the page copy: use Save.',
  saved: (n) => `${n} rows saved.`,
  forgot: 'Remembered URLs are forgotten.',
  queued: (size) => `${size} not yet sent`,

  // Mistakes, each one sentence that names the thing.
  urlEmpty: 'Type a URL, for example ws://192.168.1.20/ws.',
  urlScheme: (scheme) => `“${scheme}” is not a WebSocket scheme: use ws:// or wss://.`,
  urlInvalid: (url) => `“${url}” is not a URL: it should look like ws://host:port/path.`,
  urlFragment: (hash) => `Remove “${hash}”: a WebSocket URL has no fragment (RFC 6455 section 3); write %23 for a # in the path.`,
  urlNotify: 'The URL contains “¬ify_self”, a broken “&notify_self”: type the & again.',
  urlMixed: (url) => `This page came over https, so the browser refuses ${url} (mixed content): use wss://, `
    + 'or open the console over http.',
  urlRefused: (url, why) => `The browser refuses ${url}: ${why}`,
  protocolToken: (token) => `“${token}” is not a subprotocol name: use letters, digits and !#$%&'*+-.^_\`|~, with commas between names.`,
  protocolTwice: (token) => `The subprotocol “${token}” is named twice.`,
  codeInvalid: (code) => `Close code ${code} cannot be sent by a page: use 1000 or 3000 to 4999, or leave it empty.`,
  reasonWithoutCode: 'A close reason needs a close code (RFC 6455 section 5.5.1): type one, for example 1000.',
  reasonLong: (n) => `The close reason has ${n} bytes: 123 is the most that fits into a Close frame.`,
  notOpen: 'Not sent, there is no open connection: press Connect first.',
  hexDigit: (character, position) => `“${character}” at position ${position} is not a hex digit.`,
  hexOdd: (group, position) => `“${group}” at position ${position} has an odd number of hex digits: a byte is two.`,

  // Units.
  bytes: (n) => (n === 1 ? '1 byte' : `${n.toLocaleString('en')} bytes`),

  // Close codes, RFC 6455 section 7.4 and the IANA registry of WebSocket close codes.
  codes: {
    1000: 'normal closure',
    1001: 'going away',
    1002: 'protocol error',
    1003: 'unsupported data',
    1004: 'reserved',
    1005: 'no code in the Close frame',
    1006: 'no Close frame was received',
    1007: 'invalid payload data, such as text that is not UTF-8',
    1008: 'policy violation',
    1009: 'message too big',
    1010: 'the server did not accept a required extension',
    1011: 'internal error',
    1012: 'service restart',
    1013: 'try again later',
    1014: 'bad gateway',
    1015: 'TLS handshake failed',
    3000: 'unauthorized',
    3003: 'forbidden',
    3008: 'timeout',
  },
  codeProtocol: 'reserved for the protocol',
  codeRegistered: 'registered by a library or framework',
  codePrivate: 'private to the application',
  codeUnknown: 'not a valid close code',
};

const chosen = en;

// t is the sentence for a key, made with its arguments.
export function t(key, ...args) {
  const value = chosen[key];
  if (value === undefined) throw new Error(`no string for ${key}`);
  return typeof value === 'function' ? value(...args) : value;
}

// codeMeaning says what a close code means.
export function codeMeaning(code) {
  if (chosen.codes[code]) return chosen.codes[code];
  if (code >= 1000 && code <= 2999) return t('codeProtocol');
  if (code >= 3000 && code <= 3999) return t('codeRegistered');
  if (code >= 4000 && code <= 4999) return t('codePrivate');
  return t('codeUnknown');
}

// translate fills the markup.
export function translate(root) {
  for (const el of root.querySelectorAll('[data-t]')) el.textContent = t(el.dataset.t);
  for (const el of root.querySelectorAll('[data-label]')) el.setAttribute('aria-label', t(el.dataset.label));
  for (const el of root.querySelectorAll('[data-title]')) el.title = t(el.dataset.title);
  for (const el of root.querySelectorAll('[data-placeholder]')) el.placeholder = t(el.dataset.placeholder);
}
