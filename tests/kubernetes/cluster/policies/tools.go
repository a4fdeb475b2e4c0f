// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package policies pins what enforces NetworkPolicies.
package policies

import _ "sigs.k8s.io/kube-network-policies/cmd"
