// SPDX-License-Identifier: Apache-2.0
/** The errors of this client. None of them holds a patient's data or the path of an input. */

import { contract } from './contract.js';

const CODES = new Set(contract.codes);
const REFUSAL = new RegExp(contract.refusal, 'g');

/** Base of every error that the client raises on purpose. `code` is for programs, the message for people. */
export class VcfError extends Error {
  code = 'FAILED';

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
    for (const match of text.matchAll(REFUSAL)) {
      const [sentence] = text.slice(match.index + match[0].length).split('\n');
      if (CODES.has(match[1])) return new StudyRefused(match[1], sentence.trim());
    }
    return null;
  }
}

/** No server answers at the address, or it is not ready, or the connection broke. */
export class ServerUnavailable extends VcfError {
  code = 'SERVER_UNAVAILABLE';
}

/** The server is there and has no room for another study now. */
export class Overloaded extends ServerUnavailable {
  code = 'OVERLOADED';
}

/** No secure connection: client and server do not accept each other's certificates. */
export class NotTrusted extends ServerUnavailable {
  code = 'NOT_TRUSTED';
}

/** The server asks for an API key, and none or another one was sent. */
export class AccessDenied extends ServerUnavailable {
  code = 'ACCESS_DENIED';
}

/** The server speaks another major version of the contract; the study was not sent. */
export class ContractDiffers extends ServerUnavailable {
  code = 'CONTRACT_DIFFERS';
}

/** The server answered with an error that is no refusal of the study, or with what makes no sense. */
export class ServerFailed extends VcfError {
  code = 'SERVER_FAILED';
}

/** The answer did not come within the deadline. */
export class DeadlineExceeded extends VcfError {
  code = 'DEADLINE_EXCEEDED';
}
