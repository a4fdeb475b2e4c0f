// SPDX-License-Identifier: Apache-2.0
/** Names, shapes, codes and limits that server and clients share; written by `python -m export.node_contract`. */

import { readFileSync } from 'node:fs';

/**
 * @typedef {object} Contract
 * @property {string} model
 * @property {string} wire
 * @property {string} input
 * @property {Record<string, {dtype: string, shape: number[]}>} outputs
 * @property {string[]} networks
 * @property {string[]} stages
 * @property {string[]} codes
 * @property {string} deadline_code
 * @property {{parameter: string, values: string[]}} age_policy
 * @property {string} hash_key_variable
 * @property {string} schema_version
 * @property {string} notice
 * @property {string} default_address
 * @property {number} default_deadline_s
 * @property {number} max_files
 * @property {number} max_message_bytes
 */

/** @type {Contract} */
export const contract = JSON.parse(readFileSync(new URL('../contract.json', import.meta.url), 'utf8'));
