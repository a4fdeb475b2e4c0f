// SPDX-License-Identifier: Apache-2.0

// etcd: its module has no main package that a build from elsewhere could name.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
