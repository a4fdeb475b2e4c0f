# SPDX-License-Identifier: Apache-2.0
"""One study's trace as OpenTelemetry has it: collected, and drawn."""
