// SPDX-License-Identifier: Apache-2.0
/** The errors of this client. None of them holds a patient's data or the path of an input. */

import { contract } from './contract.js';

const CODES = new Set(contract.codes);

/** Base of every error that the client raises on purpose. */
export class VcfError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = new.target.name;
  }
}

/** The study cannot or must not be analysed; an answer, not a failure. */
export class StudyRefused extends VcfError {
  /**
   * @param {string} code
   * @param {string} sentence
   */
  constructor(code, sentence) {
    super(`${code}: ${sentence}`);
    this.code = code;
    this.sentence = sentence;
  }

  /**
   * A refusal from a server's error text, which wraps `CODE: sentence` in words of its own.
   *
   * @param {string} text
   * @returns {StudyRefused | null}
   */
  static find(text) {
    for (const [, code, sentence] of text.matchAll(/\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*): ([^\n]*)/g)) {
      if (CODES.has(code)) return new StudyRefused(code, sentence.trim());
    }
    return null;
  }
}

/** No server answers at the address, or it is not ready. */
export class ServerUnavailable extends VcfError {}

/** The server answered with an error that is no refusal of the study, or with what makes no sense. */
export class ServerFailed extends VcfError {}

/** The answer did not come within the deadline. */
export class DeadlineExceeded extends VcfError {}
