# SPDX-License-Identifier: Apache-2.0
from vcf_contract import telemetry

telemetry.switch_off()  # here, before any module of this package imports a runtime
