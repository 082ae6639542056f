// What the person typed into the connection bar, checked before the browser sees it: the browser's own errors name
// neither the mistake nor the cure.

import { t } from './strings.js';
import { utf8Length } from './format.js';

// fromPage is the WebSocket URL of a path relative to the page.
export function fromPage(path, page) {
  const url = new URL(path, page);
  url.protocol = new URL(page).protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  return url.href;
}

// A browser lets a page from https open ws:// to its own machine only.
function isLoopback(host) {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(\.\d+){3}$/.test(host);
}

// checkURL gives {url} or {error}. Beside ws:// and wss:// it takes what is at hand to paste: a path, http(s)://, or
// a bare host, which means the page's own security.
export function checkURL(text, page) {
  const typed = text.trim();
  text = typed;
  if (!text) return { error: t('urlEmpty') };
  if (text.includes('¬ify_self')) return { error: t('urlNotify') };
  if (text.startsWith('/') && !text.startsWith('//')) text = fromPage('/', page).slice(0, -1) + text;
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text);
  const secure = new URL(page).protocol === 'https:';
  if (!scheme) {
    if (/^(mailto|data|javascript|file|about|blob):/i.test(text)) return { error: t('urlScheme', text.slice(0, text.indexOf(':') + 1)) };
    text = (secure ? 'wss://' : 'ws://') + text.replace(/^\/\//, '');
  } else {
    const known = { ws: 'ws', wss: 'wss', http: 'ws', https: 'wss' }[scheme[1].toLowerCase()];
    if (!known) return { error: t('urlScheme', scheme[0]) };
    text = known + text.slice(scheme[1].length);
  }
  let url;
  try { url = new URL(text); } catch { return { error: t('urlInvalid', typed) }; }
  // Chromium takes a host with a space in it, percent-encoded, as if it were one.
  if (url.hostname.includes('%')) return { error: t('urlInvalid', typed) };
  if (text.includes('#')) return { error: t('urlFragment', text.slice(text.indexOf('#'))) };
  if (secure && url.protocol === 'ws:' && !isLoopback(url.hostname)) return { error: t('urlMixed', url.href) };
  return { url: url.href };
}

// checkProtocols gives {protocols} or {error}: tokens of RFC 9110 section 5.6.2, each once (RFC 6455 section 4.1).
export function checkProtocols(text) {
  const protocols = text.split(/[\s,]+/).filter(Boolean);
  for (const [i, p] of protocols.entries()) {
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(p)) return { error: t('protocolToken', p) };
    if (protocols.indexOf(p) !== i) return { error: t('protocolTwice', p) };
  }
  return { protocols };
}

// checkClose gives {args} for WebSocket.close, or {error}.
export function checkClose(code, reason) {
  code = code.trim();
  if (!code) return reason ? { error: t('reasonWithoutCode') } : { args: [] };
  const n = /^\d+$/.test(code) ? Number(code) : NaN;
  if (!(n === 1000 || (n >= 3000 && n <= 4999))) return { error: t('codeInvalid', code) };
  const length = utf8Length(reason);
  if (length > 123) return { error: t('reasonLong', length) };
  return { args: reason ? [n, reason] : [n] };
}
