// SPDX-License-Identifier: Apache-2.0
/** Requests to Triton over gRPC, and what its answers and errors mean. */

import { fileURLToPath } from 'node:url';

import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

import { contract } from './contract.js';
import { DeadlineExceeded, ServerFailed, ServerUnavailable, StudyRefused } from './errors.js';

/** @typedef {number[] | string[]} Values */
/** @typedef {{version: string, tensors: Record<string, Values>}} Answer Checked tensors by name, flat, row-major. */

const service = /** @type {import('@grpc/proto-loader').ServiceDefinition} */ (
  loadSync(fileURLToPath(new URL('../proto/kserve.proto', import.meta.url)), {
    keepCase: true,
    longs: Number,
    defaults: true,
  })['inference.GRPCInferenceService']
);

/** Triton's own request parameter, in microseconds: what is left to the server when the request arrives. */
const TIMEOUT = 'timeout';

/** @type {Record<string, {bytes: number, read: (raw: Buffer, at: number) => number}>} */
const NUMBERS = {
  FP32: { bytes: 4, read: (raw, at) => raw.readFloatLE(at) },
  FP64: { bytes: 8, read: (raw, at) => raw.readDoubleLE(at) },
};

/** Triton's gRPC endpoint. No proxy is taken from the environment: a study goes to the address and nowhere else. */
export class Wire {
  /** @type {Client} */
  #client;

  /** @param {string} address `host:port` */
  constructor(address) {
    this.address = address;
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.max_send_message_length': contract.max_message_bytes,
      'grpc.max_receive_message_length': contract.max_message_bytes,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
    });
  }

  close() {
    this.#client.close();
  }

  /**
   * Whether the server answers and takes studies of DICOM files now; no server is a plain no.
   *
   * @param {number} deadlineMs
   * @returns {Promise<boolean>}
   */
  async isReady(deadlineMs) {
    const { requestSerialize } = service.ModelReady;
    const request = requestSerialize({ name: contract.model });
    return this.#call(service.ModelReady, request, deadlineMs).then(
      (reply) => reply.ready,
      () => false,
    );
  }

  /**
   * All of a request but the tensor's bytes.
   *
   * @param {string} id Unlike that of any other request.
   * @param {number} count Files in the tensor.
   * @param {number} budgetMs How long the server may work on it: it starts no further step after that.
   * @param {string} agePolicy
   * @returns {Buffer}
   */
  head(id, count, budgetMs, agePolicy) {
    return service.ModelInfer.requestSerialize({
      model_name: contract.model,
      id,
      parameters: {
        [TIMEOUT]: { int64_param: Math.max(1, Math.floor(budgetMs * 1000)) },
        [contract.age_policy.parameter]: { string_param: agePolicy },
      },
      inputs: [{ name: contract.input, datatype: 'BYTES', shape: [count] }],
      outputs: Object.keys(contract.outputs).map((name) => ({ name })),
    });
  }

  /**
   * Send a serialised request and wait for its answer.
   *
   * @param {Buffer} request
   * @param {number} deadlineMs
   * @returns {Promise<Answer>}
   */
  async infer(request, deadlineMs) {
    let reply;
    try {
      reply = await this.#call(service.ModelInfer, request, deadlineMs);
    } catch (error) {
      throw this.#translated(/** @type {import('@grpc/grpc-js').ServiceError} */ (error), deadlineMs);
    }
    /** @type {Record<string, Values>} */
    const tensors = {};
    for (const [name, expected] of Object.entries(contract.outputs)) {
      const at = reply.outputs.findIndex((/** @type {{name: string}} */ output) => output.name === name);
      const raw = reply.raw_output_contents[at];
      if (!raw) throw new ServerFailed(`the answer has no tensor ${name}`);
      tensors[name] = values(name, expected, reply.outputs[at], raw);
    }
    return { version: reply.model_version, tensors };
  }

  /**
   * @param {import('@grpc/proto-loader').MethodDefinition<object, object>} method
   * @param {Buffer} request Serialised already.
   * @param {number} deadlineMs
   * @returns {Promise<any>}
   */
  #call(method, request, deadlineMs) {
    const options = { deadline: Date.now() + deadlineMs };
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        (/** @type {Buffer} */ bytes) => bytes,
        method.responseDeserialize,
        request,
        new Metadata(),
        options,
        (error, reply) => (error ? reject(error) : resolve(reply)),
      );
    });
  }

  /**
   * @param {import('@grpc/grpc-js').ServiceError} error
   * @param {number} deadlineMs
   */
  #translated(error, deadlineMs) {
    const details = (error.details || 'no details').replace(/\s+/g, ' ').trim();
    const refused = StudyRefused.find(details);
    if (refused) return refused;
    if (error.code === status.DEADLINE_EXCEEDED || details.includes(`${contract.deadline_code}: `)) {
      return new DeadlineExceeded(`no answer from ${this.address} within ${Number((deadlineMs / 1000).toPrecision(3))} s`);
    }
    if (error.code === status.UNAVAILABLE) {
      return new ServerUnavailable(`no Triton server takes studies at ${this.address} (${details})`);
    }
    return new ServerFailed(`the server at ${this.address} failed with ${status[error.code]}: ${details}`);
  }
}

/**
 * The tensor's values, once its type, shape and size are what the contract says.
 *
 * @param {string} name
 * @param {{dtype: string, shape: number[]}} expected
 * @param {{datatype: string, shape: number[]}} output
 * @param {Buffer} raw
 * @returns {Values}
 */
function values(name, expected, { datatype, shape }, raw) {
  const fits =
    datatype === expected.dtype &&
    shape.length === expected.shape.length &&
    shape.every((size, axis) => [-1, size].includes(expected.shape[axis]));
  if (!fits) {
    throw new ServerFailed(
      `tensor ${name} of the answer is ${datatype} [${shape}], not ${expected.dtype} [${expected.shape}]`,
    );
  }
  const size = shape.reduce((product, extent) => product * extent, 1);
  const found = datatype === 'BYTES' ? texts(raw) : numbers(raw, NUMBERS[datatype]);
  if (found?.length !== size) {
    throw new ServerFailed(`tensor ${name} of the answer, ${datatype} [${shape}], came with ${raw.length} bytes`);
  }
  if (found.some((value) => typeof value === 'number' && !Number.isFinite(value))) {
    throw new ServerFailed(`tensor ${name} of the answer holds values that are not finite`);
  }
  return found;
}

/**
 * @param {Buffer} raw
 * @param {{bytes: number, read: (raw: Buffer, at: number) => number}} type
 * @returns {number[] | null} null where a number is cut short.
 */
function numbers(raw, { bytes, read }) {
  if (raw.length % bytes) return null;
  return Array.from({ length: raw.length / bytes }, (_, index) => read(raw, index * bytes));
}

/**
 * Elements of a BYTES tensor: each a 32-bit length and as many bytes (KServe v2, *raw tensor contents*).
 *
 * @param {Buffer} raw
 * @returns {string[] | null} null where a length runs past the end.
 */
function texts(raw) {
  const found = [];
  let at = 0;
  while (at + 4 <= raw.length) {
    const end = at + 4 + raw.readUInt32LE(at);
    if (end > raw.length) return null;
    found.push(raw.toString('utf8', at + 4, end));
    at = end;
  }
  return at === raw.length ? found : null;
}
