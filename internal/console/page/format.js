// Pure functions from values to what is shown, and from what is typed to bytes.

import { t } from './strings.js';

// utf8Length is the number of bytes that a string takes on the wire. The browser sends a lone surrogate as U+FFFD,
// three bytes, which is what a lone one counts here too.
export function utf8Length(text) {
  let n = text.length;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x80) continue;
    if (c < 0x800) { n += 1; continue; }
    n += 2;
    if (c >= 0xd800 && c <= 0xdbff && i + 1 < text.length) {
      const d = text.charCodeAt(i + 1);
      if (d >= 0xdc00 && d <= 0xdfff) i++;
    }
  }
  return n;
}

// parseHex reads bytes as engineers paste them: 00ff, 00 ff, 00:ff, 0x00, 0xff. It gives {bytes} or {error}.
export function parseHex(text) {
  const out = [];
  for (const match of text.matchAll(/[^\s,:;]+/g)) {
    const prefix = /^0x/i.test(match[0]) ? 2 : 0;
    const digits = match[0].slice(prefix);
    const bad = digits.search(/[^0-9a-f]/i);
    if (bad >= 0) {
      const character = String.fromCodePoint(digits.codePointAt(bad));
      return { error: t('hexDigit', character, match.index + prefix + bad + 1) };
    }
    if (digits.length % 2 || digits.length === 0) return { error: t('hexOdd', match[0], match.index + 1) };
    for (let i = 0; i < digits.length; i += 2) out.push(parseInt(digits.slice(i, i + 2), 16));
  }
  return { bytes: new Uint8Array(out) };
}

const hexByte = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

// hex is bytes as text, two digits each, separated by spaces.
export function hex(bytes) {
  const parts = new Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) parts[i] = hexByte[bytes[i]];
  return parts.join(' ');
}

// hexdump is the classic three columns: offset, bytes in groups of eight, and what is printable of them. A line has
// `width` bytes, 8 or 16; a dump of less than a line is not padded.
export function hexdump(bytes, width = 16) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += width) {
    const part = bytes.subarray(at, at + width);
    let left = '';
    let right = '';
    for (let i = 0; i < part.length; i++) {
      left += (i === 8 ? '  ' : i ? ' ' : '') + hexByte[part[i]];
      right += part[i] >= 0x20 && part[i] < 0x7f ? String.fromCharCode(part[i]) : '.';
    }
    if (bytes.length > width) left = left.padEnd(width === 8 ? 23 : 48);
    lines.push(`${at.toString(16).padStart(width / 2, '0')}  ${left}  |${right}|`);
  }
  return lines.join('\n');
}

// indentJSON is the same JSON on several lines, or null if the text is no JSON object or array. Only white space
// changes: numbers keep their digits and objects their repeated keys, which JSON.parse would lose.
export function indentJSON(text) {
  const first = text.trimStart()[0];
  if (first !== '{' && first !== '[') return null;
  try { JSON.parse(text); } catch { return null; }
  let out = '';
  let depth = 0;
  let opened = false; // the token before was { or [
  const line = () => { out += '\n' + '  '.repeat(depth); };
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    const closes = token === '}' || token === ']';
    if (closes) depth--;
    if (closes ? !opened : opened) line();
    opened = token === '{' || token === '[';
    if (opened) depth++;
    out += token === ':' ? ': ' : token;
    if (token === ',') line();
  }
  return out;
}

// looksJSON is a cheap guess, good enough to offer the button.
export function looksJSON(text) {
  const s = text.length > 64 ? text.slice(0, 32).trimStart() + text.slice(-32).trimEnd() : text.trim();
  const ends = s[0] + s[s.length - 1];
  return s.length > 1 && (ends === '{}' || ends === '[]');
}

// clock is the local time of day with milliseconds.
export function clock(ms) {
  const d = new Date(ms);
  const two = (n) => String(n).padStart(2, '0');
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, '0')}`;
}

// duration is a span in the unit that reads best.
export function duration(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
}

// uptime is hours, minutes and seconds.
export function uptime(ms) {
  const s = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, '0');
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

// size is a number of bytes, exact as long as it is short.
export function size(n) {
  if (n < 10000) return `${n} B`;
  const units = ['KiB', 'MiB', 'GiB'];
  let unit = -1;
  do { n /= 1024; unit++; } while (n >= 1024 && unit < 2);
  return `${n.toFixed(n < 100 ? 1 : 0)} ${units[unit]}`;
}

// base64 is for the saved log: JSON has no bytes.
export function base64(bytes) {
  let s = '';
  for (let i = 0; i < bytes.length; i += 0x8000) s += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(s);
}
