// SPDX-License-Identifier: Apache-2.0
/**
 * What this client needs of the contract, `contract.json`: the document that `vcf export contract` writes and every
 * server gives.
 */

import { readFileSync } from 'node:fs';

/** @typedef {{name: string, dtype: string, shape: number[]}} Tensor */
/** @typedef {{statuses: string[], words: string, error: string, retry: 'never' | 'elsewhere' | 'again'}} Rule */

const document = JSON.parse(readFileSync(new URL('../contract.json', import.meta.url), 'utf8'));
const model = 'vcf_dicom';
const { findings } = document;
/** @type {{inputs: Tensor[], outputs: Tensor[]}} */
const { inputs, outputs } = document.entry_models[model];
/** @type {[string, {values: string[]}]} */
const [agePolicy, { values }] = /** @type {any} */ (
  Object.entries(document.parameters).find(([name]) => name === 'age_policy')
);

export const contract = {
  /** @type {string} */ version: document.version,
  /** @type {string} */ version_parameter: document.served_as.version,
  model,
  input: inputs[0].name,
  outputs: Object.fromEntries(outputs.filter(({ name }) => findings.made_from.includes(name)).map((t) => [t.name, t])),
  /** @type {string[]} */ networks: document.networks,
  /** @type {string[]} */ stages: document.stages,
  codes: Object.keys(document.codes),
  /** @type {string} */ refusal: document.errors.refusal,
  /** @type {Rule[]} */ rules: document.errors.rules,
  age_policy: { parameter: agePolicy, values },
  /** @type {{model: string, input: string, priorities: Record<string, number>, leave: string}} */
  admission: document.admission,
  /** @type {{attempts: number, first_s: number, longest_s: number}} */ retry: document.retry,
  /** @type {string} */ api_key_header_prefix: document.api_key_header_prefix,
  /** @type {string} */ hash_key_variable: findings.hash_key_variable,
  /** @type {string} */ schema_version: findings.schema_version,
  /** @type {string} */ transport: findings.transport,
  /** @type {string} */ notice: document.notice,
  /** @type {string} */ default_address: document.defaults.address,
  /** @type {number} */ default_deadline_s: document.defaults.deadline_s,
  /** @type {number} */ max_files: document.limits.files,
  /** @type {number} */ max_message_bytes: document.limits.message_bytes,
};
