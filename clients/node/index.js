// SPDX-License-Identifier: Apache-2.0
export { VcfClient } from './lib/client.js';
export { DeadlineExceeded, ServerFailed, ServerUnavailable, StudyRefused, VcfError } from './lib/errors.js';
