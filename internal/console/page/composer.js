// The message under construction: text or hex, its size or its mistake, and the ones sent before.

import { t } from './strings.js';
import { parseHex, utf8Length } from './format.js';

const remembered = 50;

// Composer calls send(data) with a string or a Uint8Array; send returns an error sentence or an empty string.
export class Composer {
  #box;
  #hint;
  #error;
  #modes;
  #send;
  #sent = []; // {mode, text}, oldest first
  #at = 0; // position in #sent; its length is the draft
  #draft = { mode: 'text', text: '' };

  constructor({ form, box, hint, error, modes, send }) {
    this.#box = box;
    this.#hint = hint;
    this.#error = error;
    this.#modes = modes;
    this.#send = send;
    form.addEventListener('submit', (e) => { e.preventDefault(); this.submit(); });
    box.addEventListener('keydown', (e) => this.#key(e));
    box.addEventListener('input', () => this.#check());
    for (const mode of modes) mode.addEventListener('change', () => { this.#check(); box.focus(); });
    this.#check();
  }

  get #mode() { return this.#modes.find((m) => m.checked).value; }

  set #mode(value) { this.#modes.find((m) => m.value === value).checked = true; }

  submit() {
    const text = this.#box.value;
    const mode = this.#mode;
    const parsed = mode === 'hex' ? parseHex(text) : { bytes: text };
    const error = parsed.error ?? this.#send(parsed.bytes);
    this.#fail(error);
    if (error) return;
    this.remember(mode, text);
    this.#put({ mode, text: '' });
  }

  // remember puts a message into the history, once if it is the same as the one before.
  remember(mode, text) {
    const last = this.#sent.at(-1);
    if (text && (!last || last.text !== text || last.mode !== mode)) this.#sent.push({ mode, text });
    if (this.#sent.length > remembered) this.#sent.shift();
    this.#at = this.#sent.length;
  }

  focus() { this.#box.focus(); }

  // fail shows a sentence below the box until the next input.
  #fail(error) {
    this.#error.textContent = error;
    this.#box.setAttribute('aria-invalid', String(Boolean(error)));
  }

  #check() {
    const text = this.#box.value;
    if (this.#mode === 'text') {
      this.#hint.textContent = t('bytes', utf8Length(text));
      this.#fail('');
      return;
    }
    const { bytes, error } = parseHex(text);
    // Half a byte at the very end is somebody still typing.
    const typing = error && !parseHex(text + '0').error;
    this.#hint.textContent = bytes ? t('bytes', bytes.length) : '';
    this.#fail(error && !typing ? error : '');
  }

  #put({ mode, text }) {
    this.#mode = mode;
    this.#box.value = text;
    this.#box.setSelectionRange(text.length, text.length);
    this.#check();
  }

  #key(e) {
    if (e.isComposing) return; // Enter ends an input method's composition, it does not send
    if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      this.submit();
    } else if (e.key === 'ArrowUp' && this.#caretAt('first')) {
      this.#walk(-1, e);
    } else if (e.key === 'ArrowDown' && this.#caretAt('last')) {
      this.#walk(1, e);
    }
  }

  // The arrows leave the box for the history only from its first and last line.
  #caretAt(line) {
    const { value, selectionStart, selectionEnd } = this.#box;
    if (selectionStart !== selectionEnd) return false;
    return line === 'first' ? !value.slice(0, selectionStart).includes('\n') : !value.slice(selectionEnd).includes('\n');
  }

  #walk(step, e) {
    const to = this.#at + step;
    if (e.altKey || e.ctrlKey || e.metaKey || e.shiftKey || to < 0 || to > this.#sent.length) return;
    e.preventDefault();
    if (this.#at === this.#sent.length) this.#draft = { mode: this.#mode, text: this.#box.value };
    this.#at = to;
    this.#put(to === this.#sent.length ? this.#draft : this.#sent[to]);
  }
}
