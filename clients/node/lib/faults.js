// SPDX-License-Identifier: Apache-2.0
/** A failed call as the error that a user gets, and whether the request may be sent anew: the rules of the contract. */

import { status } from '@grpc/grpc-js';

import { contract } from './contract.js';
import {
  AccessDenied,
  DeadlineExceeded,
  NotTrusted,
  Overloaded,
  ServerFailed,
  ServerUnavailable,
  StudyRefused,
} from './errors.js';

/** @typedef {{error: import('./errors.js').VcfError, retry: 'never' | 'elsewhere' | 'again'}} Fault */

const RULES = contract.rules.map((rule) => ({ ...rule, words: new RegExp(rule.words, 'i') }));
/** What grpc-js says of a connection that never came about, so that nothing was sent. */
const NO_CONNECTION = /no connection established|name resolution failed|ECONNREFUSED/i;
const BAD_CERTIFICATE = /certificate|SSL|TLS|EPROTO/i;

/**
 * @param {import('@grpc/grpc-js').ServiceError} error
 * @param {string} address
 * @param {number} waitedMs
 * @param {boolean} tls
 * @returns {Fault}
 */
export function fault(error, address, waitedMs, tls) {
  const details = (error.details || 'no details').replace(/\s+/g, ' ').trim();
  const refused = StudyRefused.find(details);
  if (refused) return { error: refused, retry: 'never' };
  const name = status[error.code];
  const missing = new ServerUnavailable(`no Triton server takes studies at ${address} (${details})`);
  if (error.code === status.UNAVAILABLE && NO_CONNECTION.test(details)) {
    if (!tls || !BAD_CERTIFICATE.test(details)) return { error: missing, retry: 'again' };
    return { error: new NotTrusted(`no secure connection with ${address} (${details})`), retry: 'elsewhere' };
  }
  const rule = RULES.find(({ statuses, words }) => (!statuses.length || statuses.includes(name)) && words.test(details));
  const { error: code, retry } = /** @type {import('./contract.js').Rule} */ (/** @type {unknown} */ (rule));
  switch (code) {
    case 'DEADLINE_EXCEEDED':
      return { error: late(address, waitedMs), retry };
    case 'OVERLOADED':
      return { error: new Overloaded(`the server at ${address} has no room for another study (${details})`), retry };
    case 'ACCESS_DENIED':
      return { error: new AccessDenied(`the server at ${address} does not let the request pass (${details})`), retry };
    case 'SERVER_UNAVAILABLE':
      return { error: missing, retry };
    default:
      return { error: new ServerFailed(`the server at ${address} failed with ${name}: ${details}`), retry };
  }
}

/**
 * @param {string} address
 * @param {number} waitedMs
 */
export function late(address, waitedMs) {
  return new DeadlineExceeded(`no answer from ${address} within ${Number((waitedMs / 1000).toPrecision(3))} s`);
}
